"""Which cells one process makes: a pack of cells, a cell, or a shard of captioning."""

from dataclasses import dataclass
from functools import cached_property

from clipvip.config.base import digest
from clipvip.config.data import CorpusSettings
from clipvip.config.registry import PREPARE, SHARD, STAGES, VARIANT
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid


@dataclass(frozen=True)
class Job:
    """Cells that one process makes, in order."""

    rule: str
    cells: tuple[Cell, ...]
    shard: tuple[int, int] | None = None  # captioning: shard i of n

    @cached_property
    def id(self) -> str:
        """Names the cells and today's code."""
        made = [[cell.name, cell.lineage] for cell in self.cells]
        return digest([made, self.shard]) if self.shard else digest(made)


def jobs_of(grid: Grid) -> list[Job]:
    """All jobs of the grid: packs of cells where cells are packed, and shards of captioning."""
    run = grid.experiment.run
    packs: dict[tuple[str, str], list[Cell]] = {}
    jobs: list[Job] = []
    for cell in grid.cells.values():
        if run.pack and STAGES[cell.stage].packed:
            packs.setdefault(_pack_of(grid, cell), []).append(cell)
        else:
            jobs.append(Job(cell.stage, (cell,)))
        if cell.stage == "captions" and run.shards > 1:
            jobs += [Job(SHARD, (cell,), (i, run.shards)) for i in range(run.shards)]
    return jobs + [Job(rule, tuple(cells)) for (rule, _), cells in packs.items()]


def _pack_of(grid: Grid, cell: Cell) -> tuple[str, str]:
    """Rule and name of a pack: a checkpoint with all that starts from it, or a corpus with its files and frames,
    with the starting CLIP or the captioner where that learns from it, since the rest waits for these two.
    """
    cells = grid.cells.values()
    corpus = cell
    if cell.stage == "world":
        corpus = next(other for other in cells if other.inputs.get("world") == cell and other.stage == "corpus")
    elif cell.stage != "corpus":
        corpus = cell.inputs.get("corpus", cell)
    if cell.stage in ("pretrain", "weights", "finetune", "evaluate"):
        return VARIANT, cell.name if cell.stage in ("pretrain", "weights") else _start(cell)
    if isinstance(corpus.settings, CorpusSettings) and corpus.settings.later:
        return PREPARE, f"later galleries of {corpus.settings.format}"
    learners = (other for other in cells if other.stage in ("clip", "captioner"))
    learner = next((other for other in learners if other.inputs.get("corpus") == corpus), None)
    rule = learner.stage if learner else cell.stage if cell.stage in ("clip", "captioner") else PREPARE
    return rule, corpus.name


def _start(cell: Cell) -> str:
    """The checkpoint that a fine-tuning or evaluation starts from, and how a plain CLIP among them is read."""
    own = cell.inputs["model"]
    if own.stage == "finetune":
        return _start(own)
    model = getattr(cell.settings, "model", None)
    return f"{own.name} {model.model_dump_json()}" if model else own.name
