"""Every setting of the laboratory: frozen, typed, unknown keys refused. Built once, at the edge.

A field either changes a result, and then it is part of a cell's key, or it lives in `RunSettings`
(how a cell is run: device, workers, shards), which never is.
"""

from typing import Literal

from pydantic import Field, model_validator

from clipvip.config.base import Model, Settings

Part = Literal["images", "coco", "narrated", "alt_text", "msrvtt", "didemo", "lsmdc", "activitynet"]
Format = Literal[
    "cc12m", "coco", "hdvila", "webvid", "msrvtt", "didemo", "lsmdc", "activitynet", "folder", "webdataset"
]
ANNOTATED = ("folder", "msrvtt", "didemo", "lsmdc", "activitynet")  # formats that a user may annotate anew
Terms = tuple[dict[str, tuple[str, ...]], ...]

# The six objectives (paper section 3.3; facts: "the objective"). V video, S subtitle, F frame, C caption.
OBJECTIVES: dict[str, Terms] = {
    "subtitle": ({"video": ("subtitle",)},),
    "caption": ({"video": ("caption",)},),
    "a": ({"video": ("subtitle",)}, {"frame": ("caption",)}),
    "b": ({"video": ("subtitle",)}, {"video": ("caption",)}),
    "c": ({"video": ("subtitle",)}, {"video": ("caption",)}, {"frame": ("caption",)}),
    "joint": ({"video": ("subtitle", "caption")},),
    "d": ({"video": ("subtitle", "caption")}, {"frame": ("caption",)}),
}


class WorldSettings(Settings):
    """One part of the miniature world: a corpus of generated files in a public format."""

    part: Part
    clips: dict[Literal["train", "val", "test"], int]  # per split, twins included
    seed: int = 0
    pixels: int = 64  # side of the rendered frame; the encoder's loss of colour is small from 64 up
    frames: int = 16  # per clip
    fps: float = 8.0
    twins: float = Field(0.5, ge=0, le=1)  # share of the test scenes that also appear run backwards
    misaligned: float = Field(0.4, ge=0, le=1)  # narrated: share of subtitles that belong to another clip


class CorpusSettings(Settings):
    """One corpus: its public format, where it lies, how it is split."""

    format: Format
    root: str | None = None  # folder with annotations and media, as distributed; webdataset: of tars, or a URL
    world: WorldSettings | None = None  # or: generated
    annotations: dict[Literal["train", "val", "test"], str] = Field(default={})  # folder: csv; downstream sets: jsonl
    protocol: str | None = None  # msrvtt: "9k" (default), "7k", "full"
    holdout: int = 0  # sets without a val split: this many train clips become val
    holdout_seed: int = 0
    max_bad: float = Field(0.05, ge=0, le=1)  # share of clips missing or unreadable above which reading stops
    checksums: bool = False  # record the sha256 of every file, so that a change is found

    @model_validator(mode="after")
    def _one_place(self) -> "CorpusSettings":
        if (self.root is None) == (self.world is None):
            raise ValueError("give either `root` (a folder) or `world` (a generated part)")
        if self.format == "webdataset" and (self.holdout or self.world):
            raise ValueError("webdataset: shards are training data; leave out `holdout` and `world`")
        if self.annotations and self.format not in ANNOTATED:
            raise ValueError(f"`annotations`: {self.format} has none of its own; those that do: {', '.join(ANNOTATED)}")
        return self


class FramesSettings(Settings):
    """The frame cache: every frame of every clip, resized, uint8."""

    size: int = 224  # side in pixels
    resize: Literal["squash", "crop"] = "squash"
    fps: float | None = None  # keep at most this rate; null keeps every frame
    verify: bool = False  # compare each file with its recorded sha256 when it is first read


class ModelSettings(Settings):
    """The video encoder (paper section 3.2)."""

    pooling: Literal["mean", "proxies", "full"] = "proxies"
    num_proxies: int = Field(4, ge=1)  # M; proxies only
    num_frames: int = Field(12, ge=1)  # N, slots of the temporal embedding
    temporal: bool | None = None  # temporal embedding; null: on for proxies and full, off for mean
    proxy_std: float = 1.0  # new proxies start from a normal of this width
    temporal_std: float = 0.0  # zero: starts as zeros
    patch_dropping: float = Field(0.0, ge=0, lt=1)  # share of each frame's patches left out, training only


class OptimSettings(Settings):
    """AdamW with warm-up and cosine to zero (paper section 4.1)."""

    steps: int | None = None
    epochs: float | None = None  # passes over the clips; exactly one of steps and epochs
    batch_size: int = 128  # global
    lr: float = 1e-6
    weight_decay: float = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: float = 0.01  # share of all steps
    grad_norm: float | None = 1.0  # clip the gradient to this norm
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    decay_all: bool = False  # the authors' code decayed layer norms, proxies and temporal embeddings too

    @model_validator(mode="after")
    def _one_length(self) -> "OptimSettings":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of `steps` and `epochs`")
        return self


class TinyClip(Settings):
    """Shape of a CLIP that is trained from nothing (small world)."""

    image_size: int = 24
    patch_size: int = 8
    vision_width: int = 64
    vision_layers: int = 3
    text_width: int = 64
    text_layers: int = 2
    heads: int = 4
    dim: int = 64
    max_tokens: int = 77
    vocab_size: int = 1000  # at most; byte-pair pieces


class ClipSettings(Settings):
    """Where everything starts: a CLIP folder or hub id, or a small CLIP trained here."""

    source: str | None = None
    shape: TinyClip | None = None
    corpus: str | None = None  # image-text corpus the small CLIP learns from
    optim: OptimSettings | None = None
    frames: FramesSettings | None = None  # set to those of the experiment where it is trained here
    seed: int = 0

    @model_validator(mode="after")
    def _one_origin(self) -> "ClipSettings":
        return _learnt_or_given(self)


class TinyCaptioner(Settings):
    """Shape of a captioner that is trained from nothing (small world)."""

    image_size: int = 24
    patch_size: int = 4
    width: int = 64
    vision_layers: int = 2
    text_layers: int = 2
    heads: int = 4
    vocab_size: int = 500


class CaptionerSettings(Settings):
    """An image-to-text model (folder or hub id), captions made elsewhere, or a small model trained here."""

    source: str | None = None
    imported: str | None = None  # jsonl of {"clip_id", "caption"}, or an LMDB keyed by clip id
    shape: TinyCaptioner | None = None
    corpus: str | None = None  # image-caption corpus
    optim: OptimSettings | None = None
    frames: FramesSettings | None = None  # set to those of the experiment where it is trained here
    seed: int = 0

    @model_validator(mode="after")
    def _one_origin(self) -> "CaptionerSettings":
        if self.imported is None:
            return _learnt_or_given(self)
        if any((self.source, self.shape, self.corpus, self.optim)):
            raise ValueError("`imported` captions need no model: leave out `source`, `shape`, `corpus` and `optim`")
        return self


def _learnt_or_given(settings: Model) -> Model:
    """Either a source, or all that training needs."""
    parts = [getattr(settings, name) for name in ("shape", "corpus", "optim")]
    source = getattr(settings, "source")  # noqa: B009 - both models have it
    if (source is None) == any(part is None for part in parts) or (source is not None and any(parts)):
        raise ValueError("give either `source` (folder or hub id) or all of `shape`, `corpus` and `optim`")
    return settings


class CaptionsSettings(Settings):
    """A caption for the middle frame of every clip (paper section 3.3), or for several."""

    max_tokens: int = 20
    num_beams: int = 1
    num_frames: int = Field(default=1, ge=1)  # the middles of as many equal parts of the clip, a caption each
    frames: FramesSettings = FramesSettings()  # as the experiment's: the captions follow from them, cached or not


class GapSettings(Settings):
    """Language domain gap: K-means on text features, NMI against the source (paper section 3.1)."""

    sentences: int = 1000  # per source
    clusters: int = 2
    starts: int = 10
    repeats: int = 10  # seeded repetitions, for the interval


class PretrainSettings(Settings):
    """Post-pretraining on a corpus role."""

    corpus: str = "large"  # a role of the experiment
    objective: str | Terms = "d"  # a name of OBJECTIVES or its terms
    optim: OptimSettings
    max_tokens: int = 70
    validate_every: int | None = None  # steps between zero-shot validations on val
    validate_on: str = "msrvtt"

    @property
    def terms(self) -> Terms:
        """The objective as terms."""
        return OBJECTIVES[self.objective] if isinstance(self.objective, str) else self.objective

    @model_validator(mode="after")
    def _known_objective(self) -> "PretrainSettings":
        if isinstance(self.objective, str) and self.objective not in OBJECTIVES:
            raise ValueError(f"objective {self.objective!r} is none of {', '.join(OBJECTIVES)}")
        roles = {"video", "frame", "subtitle", "caption"}
        named = {r for term in self.terms for a, bs in term.items() for r in (a, *bs)}
        if not named <= roles:
            raise ValueError(f"objective names {sorted(named - roles)}; roles are {sorted(roles)}")
        return self


class FinetuneSettings(Settings):
    """Fine-tuning on one downstream set."""

    optim: OptimSettings
    num_frames: int = 12
    max_tokens: int = 50
    validations: int = 4  # validations along training; the best on val is kept


class PretrainCell(Settings):
    """What one post-pretraining run reads."""

    model: ModelSettings
    frames: FramesSettings
    terms: Terms
    optim: OptimSettings
    max_tokens: int
    validate_every: int | None
    clips: int | None = None  # nested random subset of the corpus
    subset_seed: int = 0
    seed: int = 0


class FinetuneCell(Settings):
    """What one fine-tuning run reads."""

    model: ModelSettings | None = None  # set where it starts from a plain CLIP
    frames: FramesSettings
    optim: OptimSettings
    num_frames: int
    max_tokens: int
    validations: int
    seed: int = 0


class EvaluateCell(Settings):
    """What one evaluation reads."""

    model: ModelSettings | None = None  # set where it evaluates a plain CLIP
    frames: FramesSettings
    num_frames: int
    max_tokens: int
    seed: int = 0  # of new proxies, where a plain CLIP is given some
    bank: int = Field(2000, ge=1)  # training clips, and as many texts, that tell QB-Norm which items are hubs
