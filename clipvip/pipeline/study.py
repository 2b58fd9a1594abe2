"""Studies -> variants -> cells: which runs the tables of the paper ask for.

A study is a table, a variant its row, a seed its replicate. A variant is what it changes in the
experiment's settings; two variants that resolve to the same settings share their cells.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings
from clipvip.config.study import StudySettings
from clipvip.pipeline.cell import Cell


@dataclass(frozen=True)
class Start:
    """What a row goes on from: a cell with a model, and `model` where that is a plain CLIP yet to become one."""

    cell: Cell
    frames: FramesSettings
    model: ModelSettings | None = None


@dataclass(frozen=True)
class Row:
    """One variant with one seed; `cells` by role, for example "fine_tuned/msrvtt"."""

    variant: str
    seed: int
    cells: dict[str, Cell]
    not_run: str = ""  # why it has no cells: what it is trained on is not there


@dataclass(frozen=True)
class Study:
    """A study with its rows resolved to cells."""

    name: str
    settings: StudySettings
    downstream: tuple[str, ...]
    rows: list[Row]
    gap: Cell | None
    left_out: dict[str, str] = field(default_factory=dict)  # set or language source that is not there -> why

    def cells(self) -> Iterator[Cell]:
        """The cells its rows name, repeats included."""
        for row in self.rows:
            yield from row.cells.values()
        if self.gap is not None:
            yield self.gap
