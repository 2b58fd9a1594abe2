"""What cells and jobs are called for people: stage, variant, replicate, set."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from clipvip.config.registry import STAGES
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid

MANY = 5  # names in a title; of more only how many


class Names:
    """The names of a grid's cells, each by the first study that asks for it."""

    def __init__(self, grid: Grid) -> None:
        self._whose: dict[str, str] = {}
        self._sets: dict[str, str] = {}
        rows: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for study in grid.studies.values():
            for row in study.rows:
                for role, cell in row.cells.items():
                    head, _, name = role.partition("/")
                    self._whose.setdefault(cell.name, f"{row.variant}, replicate {row.seed}")
                    rows[cell.name].add((study.name, row.variant))
                    if name:
                        self._sets.setdefault(cell.name, f"{name} zero-shot" if head == "zero_shot" else name)
        self._rows = {name: len(each) for name, each in rows.items()}
        for name in grid.experiment.corpora:
            if name not in grid.absent:
                for number in grid.experiment.corpora[name].galleries:
                    said = name if number == 1 else f"{name} test set {number}"
                    corpus = grid.corpus(name, number)
                    for each in (corpus, *corpus.inputs.values()):
                        self._sets.setdefault(each.name, said)

    def of(self, cell: Cell) -> str:
        """`fine-tune · d, replicate 1 · msrvtt`."""
        return " · ".join(each for each in (STAGES[cell.stage].title, self.whose(cell), self._set(cell)) if each)

    def whose(self, cell: Cell) -> str:
        """`d, replicate 1`; empty for what no variant names, or most of them."""
        return self._whose.get(cell.name, "") if cell.stage not in ("clip", "gap") else ""

    def of_job(self, cells: Sequence[Cell], shard: tuple[int, int] | None = None) -> str:
        """The same of a pack of cells: its stages, whose it is, its sets."""
        stages = ", ".join(stage.title for name, stage in STAGES.items() if name in {cell.stage for cell in cells})
        whose = next((said for cell in cells if (said := self.whose(cell))), "")
        more = max((self._rows.get(cell.name, 1) for cell in cells), default=1) - 1
        whose += f" (and {more} more)" if whose and more else ""
        sets = _few(self._set(cell).removesuffix(" zero-shot") for cell in cells)
        part = f"part {shard[0] + 1} of {shard[1]}" if shard else ""
        return " · ".join(each for each in (stages, whose, sets, part) if each)

    def brief(self, cells: Sequence[Cell]) -> str:
        """What the lines of a job begin with."""
        whose = next((said for cell in cells if (said := self.whose(cell))), "")
        return whose or f"{STAGES[cells[-1].stage].title} {_few(map(self._set, cells))}".rstrip()

    def _set(self, cell: Cell) -> str:
        """The corpus it is about."""
        if cell.name in self._sets:
            return self._sets[cell.name]
        inputs = [cell.inputs[role] for role in ("corpus", "world") if role in cell.inputs]
        if not inputs:
            return str(getattr(cell.settings, "part", ""))
        return next((self._sets[each.name] for each in inputs if each.name in self._sets), "")


def _few(names: Iterable[str]) -> str:
    found = [each for each in dict.fromkeys(names) if each]
    shown, rest = found[: MANY - 1], len(found) - MANY + 1
    return ", ".join(found) if rest <= 1 else f"{', '.join(shown)} and {rest} more"
