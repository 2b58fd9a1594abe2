"""Cells of given weights, and whatever is made from them."""

from pathlib import Path
from typing import Any

from clipvip.config.learning import ClipSettings, ModelSettings
from clipvip.config.stages import WeightsCell
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import write_spec
from clipvip.runtime.content import content_of


def cell(source: Path, clip: Path, size: int = 24, **model: Any) -> Cell:
    settings = WeightsCell(source=str(source), content=content_of(str(source)), model=ModelSettings(**model), size=size)
    return Cell("weights", settings, {"clip": Cell("clip", ClipSettings(source=str(clip)))})


def make(root: Path, wanted: Cell) -> Path:
    for other in wanted.inputs.values():
        make(root, other)
    return run_spec(write_spec(root, wanted))
