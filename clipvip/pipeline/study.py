"""Studies -> variants -> cells: which runs the tables of the paper ask for.

A study is a table, a variant its row, a seed its replicate. A variant is what it changes in the
experiment's settings; two variants that resolve to the same settings share their cells.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from clipvip.config.base import Settings
from clipvip.config.learning import ModelSettings
from clipvip.config.stages import FinetuneSettings, PretrainSettings
from clipvip.pipeline.cell import Cell


class TrendSettings(Settings):
    """Variants that lie along a scale, as lines by name."""

    along: Literal["clips", "proxies"]
    lines: dict[str, tuple[str, ...]]


class StudySettings(Settings):
    """One study of experiments/studies.yaml."""

    title: str  # the question
    claim: str  # what the paper says
    base: dict[str, Any] = Field(default={})  # what all variants share
    baseline: str | None = None  # the variant that others are tested against
    downstream: tuple[str, ...] | None = None  # null: all sets of the experiment
    variants: dict[str, dict[str, Any]] = Field(min_length=1)
    expect: tuple[str, ...] = ()
    family: str = ""  # what variants without a prefix (small beside proxies_small) have in common, for figures
    trend: TrendSettings | None = None  # where the variants are a scale
    gap: bool = False  # with the language domain gap


class VariantSettings(Settings):
    """What a variant resolves to."""

    model: ModelSettings
    pretrain: PretrainSettings | None
    finetune: FinetuneSettings | None


@dataclass(frozen=True)
class Row:
    """One variant with one seed; `cells` by role, for example "fine_tuned/msrvtt"."""

    variant: str
    seed: int
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Study:
    """A study with its rows resolved to cells."""

    name: str
    settings: StudySettings
    downstream: tuple[str, ...]
    rows: list[Row]
    gap: Cell | None

    def cells(self) -> Iterator[Cell]:
        """The cells its rows name, repeats included."""
        for row in self.rows:
            yield from row.cells.values()
        if self.gap is not None:
            yield self.gap
