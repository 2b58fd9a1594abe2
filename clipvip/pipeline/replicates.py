"""What a replicate varies: the seeds of training, of the drawn subset, of the starting CLIP and of the captioner.

Replicate 0 has the seeds that the experiment names, a further one adds its number to each that `vary` lists. A source
of noise that all replicates share is in no interval; Bouthillier et al. 2021 vary as many as they can.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from clipvip.config.experiment import Experiment
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.study import Row

SEED, SUBSET, CLIP, CAPTIONER = "seed (initialisation, data order)", "corpus subset", "starting CLIP", "captioner"


@dataclass(frozen=True)
class Replicate:
    """What is added to the seeds that an experiment names."""

    seed: int = 0  # of training: the seed itself
    subset: int = 0
    start: int = 0


def replicate(experiment: Experiment, number: int) -> Replicate:
    """Replicate `number` of an experiment; what is not varied stays as in replicate 0."""
    return Replicate(*(number if part in experiment.vary else 0 for part in ("seed", "subset", "start")))


def varied(rows: Iterable[Row]) -> list[str]:
    """What differs between replicates of the same variant, as words for a table's note; nothing for one replicate."""
    found: dict[tuple[str, str], set[object]] = {}
    for row in rows:
        for what, value in _sources(row) if row.cells else ():
            found.setdefault((row.variant, what), set()).add(value)
    several = {what for (_, what), values in found.items() if len(values) > 1}
    return [what for what in (SEED, SUBSET, CLIP, CAPTIONER) if what in several]


def _sources(row: Row) -> Iterable[tuple[str, object]]:
    trained = [cell for cell in row.cells.values() if cell.stage in ("pretrain", "finetune", "evaluate")]
    yield SEED, tuple(getattr(cell.settings, "seed") for cell in trained)  # noqa: B009 - each of these stages has one
    yield CLIP, row.cells["clip"].key
    for cell in trained:
        if cell.stage == "pretrain":
            yield SUBSET, getattr(cell.settings, "subset_seed")  # noqa: B009
            yield CAPTIONER, _captioner(cell)


def _captioner(cell: Cell) -> str | None:
    captions = cell.inputs.get("captions")
    return captions.inputs["captioner"].key if captions else None
