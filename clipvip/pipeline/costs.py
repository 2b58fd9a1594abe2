"""How long cells will take, from the receipts of finished cells that are like them."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, median

from clipvip.pipeline.cell import Cell, closure
from clipvip.pipeline.forecast import schedule
from clipvip.pipeline.store import receipt, state

OTHERWISE = ("seed", "subset_seed", "gallery")  # settings that a replicate or a further test set changes


class Costs:
    """Seconds that the finished cells of a results root took."""

    def __init__(self, root: Path, cells: Iterable[Cell]) -> None:
        self._root = root
        self._alike: dict[str, list[float]] = {}
        self._stage: dict[str, list[float]] = {}
        for cell in cells:
            made = receipt(root, cell.name)
            if made is not None:
                seconds = float(made["seconds"]) / galleries(cell)
                self._alike.setdefault(kind(cell), []).append(seconds)
                self._stage.setdefault(cell.stage, []).append(seconds)

    def of(self, cell: Cell) -> float:
        """Expected seconds of one cell: the mean of those that differ in a seed or test set only, or the median of its
        stage. ValueError: no cell of the stage is finished."""
        if alike := self._alike.get(kind(cell)):
            return mean(alike) * galleries(cell)
        if cell.stage not in self._stage:
            raise ValueError(f"no finished cell of the stage {cell.stage} tells its time; run the studies first")
        return median(self._stage[cell.stage]) * galleries(cell)

    def seconds(self, cells: Iterable[Cell], cores: int) -> float:
        """Time until all that is not made yet is made: shared among cores, but no shorter than the longest chain."""
        missing = {cell.name: cell for cell in cells if state(self._root, cell) != "fresh"}
        seconds = {name: self.of(cell) for name, cell in missing.items()}
        made_from = {other.name: other for cell in missing.values() for other in closure(cell)}.values()
        needs = {cell.name: [other.name for other in cell.inputs.values()] for cell in made_from}
        return max(schedule.longest(seconds, needs), sum(seconds.values()) / cores)


def galleries(cell: Cell) -> int:
    """How many test sets an evaluation reads."""
    return 1 + sum(re.fullmatch(r"gallery\d+:corpus", role) is not None for role in cell.inputs)


def kind(cell: Cell) -> str:
    """What a cell has in common with its replicates."""
    settings = cell.settings.model_dump(mode="json")
    settings["world"] = {k: v for k, v in (settings.get("world") or {}).items() if k not in OTHERWISE}
    kept = {name: value for name, value in settings.items() if name not in OTHERWISE}
    corpus = cell.inputs.get("corpus")
    return json.dumps([cell.stage, kept, corpus.key if corpus else None], sort_keys=True)
