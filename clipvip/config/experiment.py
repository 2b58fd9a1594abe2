"""An experiment file as a whole: what the roles of the studies mean at its scale, and how cells are run."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from clipvip.config.base import Count, Name, Seed, Settings, Size, build, merge
from clipvip.config.claims import check_margins
from clipvip.config.data import CorpusSettings, FramesSettings
from clipvip.config.learning import CaptionerSettings, CaptionsSettings, ClipSettings, ModelSettings
from clipvip.config.resources import Usual
from clipvip.config.sizes import CorpusSize
from clipvip.config.stages import FinetuneSettings, GapSettings, PretrainSettings
from clipvip.runtime.options import RunOptions


class RoleSettings(Settings):
    """What a corpus role of the studies means at this scale."""

    corpus: str
    """a corpus of the experiment"""
    clips: Count | None = None
    """size of a nested random subset; null takes all [clips]"""
    subset_seed: Seed = 0
    """seed of the subset in replicate 0"""


class RunSettings(Usual, RunOptions):
    """How cells are run; never part of a key."""

    shards: Size = 1
    """captioning jobs that run side by side [jobs]"""
    cache: bool = True
    """decode each corpus once into a frame cache"""
    live: bool | None = None
    """show training at the MLflow store as it goes; null: where `tracking` is set"""
    pack: bool = True
    """evaluations and fine-tunings of one checkpoint share a process"""
    warm: bool = True
    """jobs on this machine are forked from a process that has the libraries loaded (Linux)"""

    @model_validator(mode="after")
    def _one_gpu_or_any(self) -> "RunSettings":
        most = max([self.gpus, *(change.gpus or 0 for change in self.rules.values())])
        if ":" in self.device and most > 1:
            raise ValueError(f"device: {self.device} is one GPU, but jobs ask for {most}; give device: cuda")
        return self


class PublishedSettings(Settings):
    """What papers and their authors give, at the paper's scale."""

    scale: str | None = None
    """scale whose published numbers are shown in a separate column ("base_32"); null: none"""
    weights: str | None = None
    """the released weights: the authors' .pt file, a CLIP-ViP folder or a hub id; studies that ask for them run then"""


class Experiment(Settings):
    """One experiment file."""

    name: Name
    """names the experiment's folder below `results` and its MLflow experiment"""
    results: str = "results"
    """folder of cells and tables; experiments may share it"""
    studies: str = "experiments/studies.yaml"
    """file with the studies"""
    published: PublishedSettings | None = None
    """what papers and their authors give; null: none"""
    published_in: str = "experiments/published.yaml"
    """file with the published figures"""
    seeds: tuple[Seed, ...] = (0,)
    """a replicate of every variant for each seed"""
    vary: tuple[Literal["seed", "subset", "start"], ...] = Field(("seed", "subset"), min_length=1)
    """what differs between replicates: seed is initialisation and data order; subset is the clips drawn for a role,
    `subset_seed` + replicate; start, for a study of noise, is the starting CLIP and the captioner, if trained here"""
    more_seeds: dict[str, dict[str, tuple[Seed, ...]]] = Field(default={})
    """further replicates: study -> variant -> seeds"""
    looks: Size = 1
    """times that the results are looked at as they grow (`clipvip decide`), each at its share of the error rate"""
    margins: dict[str, float] = Field(default={})
    """smallest difference that matters, by score; unnamed ones: R@1, R@5, R@10, order 2; MdR 1; MnR 5; log2R 0.1; nmi
    0.05 [points, ranks, doublings of the rank]"""
    noise: str | None = None
    """a noise study: noise.csv of another experiment, or its folder, whose training noise is added to this one's pool;
    null: none"""
    corpora: dict[Name, CorpusSettings]
    """every corpus by name"""
    roles: dict[str, RoleSettings] = Field(default={})
    """what small, medium, large and alt_text of the studies mean here; read by post-pretraining only"""
    downstream: tuple[str, ...]
    """the corpora that are downstream sets"""
    frames: FramesSettings
    """how frames are resized"""
    clip: ClipSettings
    """the starting CLIP"""
    captioner: CaptionerSettings | None = None
    """the captioner; null: none, for studies that read no captions"""
    captions: CaptionsSettings = CaptionsSettings()
    """how clips are captioned"""
    gap: GapSettings = GapSettings()
    """the language domain gap"""
    gap_sources: dict[str, str] = Field(default={})
    '''language source -> a corpus, or "captions of <corpus>"'''
    model: ModelSettings = ModelSettings()
    """the video encoder, unless a variant changes it"""
    pretrain: PretrainSettings | None = None
    """post-pretraining, unless a variant changes it; null: none"""
    finetune: FinetuneSettings
    """fine-tuning, unless a variant changes it"""
    finetune_sets: dict[str, dict[str, Any]] = Field(default={})
    """what differs on one downstream set: set -> changed settings of `finetune`"""
    sizes: dict[str, CorpusSize] = Field(default={})
    """how large a corpus of files is, for `clipvip plan` before they are there; never part of a key"""
    tracking: str | None = None
    """MLflow tracking URI; null: sqlite in the results folder"""
    run: RunSettings = RunSettings()
    """how cells are run; never part of a key"""

    @model_validator(mode="after")
    def _something_varies(self) -> "Experiment":
        more = (seeds for rows in self.more_seeds.values() for seeds in rows.values())
        for seeds in (self.seeds, *more):
            if not seeds or len(set(seeds)) < len(seeds):
                raise ValueError("seeds, more_seeds: give at least one, none twice")
        learners = [each for each in (self.clip, self.captioner) if each is not None and each.corpus is not None]
        if "start" in self.vary and not learners:
            raise ValueError("vary: start: neither the starting CLIP nor the captioner is trained here")
        return self

    @model_validator(mode="after")
    def _sizes_of_files(self) -> "Experiment":
        generated = (name for name in self.sizes if name in self.corpora and self.corpora[name].world is not None)
        if (name := next(generated, None)) is not None:
            raise ValueError(f"sizes: {name} is generated, so its size is known; leave it out")
        return self

    @model_validator(mode="after")
    def _settings_of_each_set(self) -> "Experiment":
        usual = self.finetune.model_dump(mode="json", exclude_unset=True)
        for name, change in self.finetune_sets.items():
            build(FinetuneSettings, merge(usual, change), f"finetune_sets: {name}")
        return self

    @field_validator("margins")
    @classmethod
    def _known_scores(cls, margins: dict[str, float]) -> dict[str, float]:
        return check_margins(margins)
