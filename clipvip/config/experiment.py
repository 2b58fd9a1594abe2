"""An experiment file as a whole: what the roles of the studies mean at its scale, and how cells are run."""

from typing import Any

from pydantic import Field

from clipvip.config.base import Settings
from clipvip.config.data import CorpusSettings, FramesSettings
from clipvip.config.learning import CaptionerSettings, CaptionsSettings, ClipSettings, ModelSettings
from clipvip.config.resources import Usual
from clipvip.config.stages import FinetuneSettings, GapSettings, PretrainSettings
from clipvip.runtime.options import RunOptions


class RoleSettings(Settings):
    """What a corpus role of the studies means at this scale."""

    corpus: str
    """a corpus of the experiment"""
    clips: int | None = None
    """size of a nested random subset; null takes all [clips]"""
    subset_seed: int = 0
    """seed of the subset"""


class RunSettings(Usual, RunOptions):
    """How cells are run; never part of a key."""

    shards: int = 1
    """captioning jobs that run side by side [jobs]"""
    cache: bool = True
    """decode each corpus once into a frame cache"""
    live: bool | None = None
    """show training at the MLflow store as it goes; null: where `tracking` is set"""
    pack: bool = True
    """evaluations and fine-tunings of one checkpoint share a process"""
    warm: bool = True
    """jobs on this machine are forked from a process that has the libraries loaded (Linux)"""


class Experiment(Settings):
    """One experiment file."""

    name: str
    """names the experiment's folder below `results` and its MLflow experiment"""
    results: str = "results"
    """folder of cells and tables; experiments may share it"""
    studies: str = "experiments/studies.yaml"
    """file with the studies"""
    published: str | None = None
    """scale whose published numbers are shown in a separate column ("base_32"); null: none"""
    published_in: str = "experiments/published.yaml"
    """file with the published figures"""
    seeds: tuple[int, ...] = (0,)
    """a replicate of every variant for each seed"""
    corpora: dict[str, CorpusSettings]
    """every corpus by name"""
    roles: dict[str, RoleSettings]
    """what small, medium, large and alt_text of the studies mean here"""
    downstream: tuple[str, ...]
    """the corpora that are downstream sets"""
    frames: FramesSettings
    """how frames are resized"""
    clip: ClipSettings
    """the starting CLIP"""
    captioner: CaptionerSettings
    """the captioner"""
    captions: CaptionsSettings = CaptionsSettings()
    """how clips are captioned"""
    gap: GapSettings = GapSettings()
    """the language domain gap"""
    gap_sources: dict[str, str]
    '''language source -> a corpus, or "captions of <corpus>"'''
    model: ModelSettings = ModelSettings()
    """the video encoder, unless a variant changes it"""
    pretrain: PretrainSettings
    """post-pretraining, unless a variant changes it"""
    finetune: FinetuneSettings
    """fine-tuning, unless a variant changes it"""
    finetune_sets: dict[str, dict[str, Any]] = Field(default={})
    """what differs on one downstream set: set -> changed settings of `finetune`"""
    tracking: str | None = None
    """MLflow tracking URI; null: sqlite in the results folder"""
    run: RunSettings = RunSettings()
    """how cells are run; never part of a key"""
