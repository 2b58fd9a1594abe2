"""An experiment file as a whole: what the roles of the studies mean at its scale, and how cells are run."""

from typing import Any

from pydantic import Field

from clipvip.config.base import Settings
from clipvip.config.resources import Usual
from clipvip.config.stages import (
    CaptionerSettings,
    CaptionsSettings,
    ClipSettings,
    CorpusSettings,
    FinetuneSettings,
    FramesSettings,
    GapSettings,
    ModelSettings,
    PretrainSettings,
)
from clipvip.runtime.options import RunOptions


class RoleSettings(Settings):
    """What a corpus role of the studies means at this scale."""

    corpus: str
    clips: int | None = None  # a nested random subset; null takes all
    subset_seed: int = 0


class RunSettings(Usual, RunOptions):
    """How cells are run; never part of a key."""

    shards: int = 1  # captioning jobs that run side by side
    cache: bool = True  # decode each corpus once into a frame cache
    live: bool | None = None  # show training at the MLflow store as it goes; null: where `tracking` is set
    pack: bool = True  # evaluations and fine-tunings of one checkpoint share a process


class Experiment(Settings):
    """One experiment file."""

    name: str
    results: str = "results"
    studies: str = "experiments/studies.yaml"
    published: str | None = None  # scale of published figures that may stand beside these ("base_32"); null: none
    published_in: str = "experiments/published.yaml"
    seeds: tuple[int, ...] = (0,)
    corpora: dict[str, CorpusSettings]
    roles: dict[str, RoleSettings]
    downstream: tuple[str, ...]  # the corpora that are downstream sets
    frames: FramesSettings
    clip: ClipSettings
    captioner: CaptionerSettings
    captions: CaptionsSettings = CaptionsSettings()
    gap: GapSettings = GapSettings()
    gap_sources: dict[str, str]  # name -> corpus, or "captions of <corpus>"
    model: ModelSettings = ModelSettings()
    pretrain: PretrainSettings
    finetune: FinetuneSettings
    finetune_sets: dict[str, dict[str, Any]] = Field(default={})  # what differs on one downstream set
    tracking: str | None = None  # MLflow URI; null: sqlite in the results folder
    run: RunSettings = RunSettings()
