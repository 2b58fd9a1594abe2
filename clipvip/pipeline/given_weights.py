"""Variants that start from weights made elsewhere, and the studies that wait for such weights to be given."""

from typing import Any

from clipvip.config.base import merge
from clipvip.config.experiment import Experiment
from clipvip.config.learning import ModelSettings
from clipvip.config.stages import RELEASED, WeightsCell
from clipvip.config.study import StudySettings
from clipvip.pipeline.cell import Cell
from clipvip.runtime.content import content_of


def waits(study: StudySettings, experiment: Experiment) -> str:
    """Why a study is left out, in one line: it needs the released weights and none are given; else empty."""
    given = experiment.published is not None and experiment.published.weights is not None
    sources = [(merge(study.base, change).get("pretrain") or {}).get("source") for change in study.variants.values()]
    if RELEASED not in sources or given:
        return ""
    return f"left out, it needs the released weights: give {RELEASED} (a file, folder or hub id)"


def weights(source: str, experiment: Experiment, model: ModelSettings, size: int, clip: Cell, where: str) -> Cell:
    """The cell of a variant's `pretrain.source`. ValueError where there is nothing, and names the variant."""
    if source == RELEASED:
        if experiment.published is None or experiment.published.weights is None:
            raise ValueError(f"{where}: pretrain.source: {RELEASED} is not given by experiment {experiment.name}")
        source = experiment.published.weights
    try:
        content = content_of(source)
    except ValueError as error:
        raise ValueError(f"{where}: pretrain.source: {error}") from None
    return Cell("weights", WeightsCell(source=source, content=content, model=model, size=size), {"clip": clip})


def refuse_small_world(experiment: Experiment) -> None:
    """ValueError where figures of papers would stand beside a generated world."""
    scale: Any = experiment.published.scale if experiment.published else None
    generated = [name for name in experiment.downstream if name in experiment.corpora]
    generated = [name for name in generated if experiment.corpora[name].world is not None]
    if scale is not None and generated:
        raise ValueError(
            f"experiment {experiment.name}: published.scale: {', '.join(generated)} are generated, and figures of "
            "papers are never set beside them; leave it out"
        )
