"""Settings of the runs: the language gap, post-pretraining, fine-tuning, and what their cells read.

A field either changes a result, and then it is part of a cell's key, or it lives in `RunSettings`
(how a cell is run: device, workers, shards), which never is.
"""

from typing import ClassVar, Literal

from pydantic import model_validator

from clipvip.config.base import Count, Seed, Settings, Size, Whole
from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings, OptimSettings

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


class GapSettings(Settings):
    """Language domain gap: K-means on text features, NMI against the source (paper section 3.1)."""

    sentences: Count = 1000
    """sentences drawn from each source [sentences]"""
    clusters: Size = 2
    """K of K-means [clusters]"""
    starts: Size = 10
    """restarts of K-means; the best is kept"""
    repeats: Size = 10
    """seeded repetitions, for the interval; in each two draws of one side meet two of the other"""
    permutations: Count = 999
    """relabellings of the test of kernel MMD"""


RELEASED = "published.weights"  # as a source: what the experiment gives under this name


class PretrainSettings(Settings):
    """Post-pretraining on a corpus role, or weights that are there already."""

    source: str | None = None
    """weights in place of training: the authors' .pt, a CLIP-ViP folder or hub id, or `published.weights`"""
    corpus: str = "large"
    """a role of the experiment: small, medium, large, alt_text"""
    objective: str | Terms = "d"
    """name of an objective (subtitle, caption, a, b, c, joint, d), or its terms"""
    optim: OptimSettings
    """length, batch and optimizer"""
    max_tokens: Size = 70
    """longest text; the rest is cut [tokens]"""
    validate_every: Whole | None = None
    """distance between zero-shot validations; null: none [steps]"""
    validate_on: str = "msrvtt"
    """downstream set whose val split is used along training; read where `validate_every` is set"""

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
    """length, batch and optimizer"""
    num_frames: Size = 12
    """frames drawn from a clip [frames]"""
    max_tokens: Size = 50
    """longest text; the rest is cut [tokens]"""
    validations: Size = 4
    """validations along training; the best checkpoint on val is kept"""
    keep: Literal["best", "last"] = "best"
    """the checkpoint that is best on val, or the last one, for which val is not read at all"""
    keep_start: bool = True
    """the starting point is validated too, and kept where no checkpoint is better; the published recipe has it off"""


class PretrainCell(Settings):
    """What one post-pretraining run reads."""

    model: ModelSettings
    """video encoder"""
    frames: FramesSettings
    """how frames are resized"""
    terms: Terms
    """the objective as terms"""
    optim: OptimSettings
    """length, batch and optimizer"""
    max_tokens: int
    """longest text [tokens]"""
    validate_every: int | None
    """distance between validations [steps]"""
    clips: int | None = None
    """size of a nested random subset of the corpus; null: all [clips]"""
    subset_seed: Seed = 0
    """seed of the subset"""
    seed: Seed = 0
    """seed of new weights and order of the batches"""


class WeightsCell(Settings):
    """What weights made elsewhere are, and what they must fit."""

    unkeyed: ClassVar[tuple[str, ...]] = ("source",)
    source: str
    """file, folder or hub id; not part of the key, which its content is"""
    content: str
    """sha256 of the file or of the folder's files, or the revision of the hub id"""
    model: ModelSettings
    """video encoder that the weights must be of"""
    size: int
    """side of the frames that the weights must read [pixels]"""


class FinetuneCell(Settings):
    """What one fine-tuning run reads."""

    model: ModelSettings | None = None
    """set where it starts from a plain CLIP"""
    frames: FramesSettings
    """how frames are resized"""
    optim: OptimSettings
    """length, batch and optimizer"""
    num_frames: int
    """frames drawn from a clip [frames]"""
    max_tokens: int
    """longest text [tokens]"""
    validations: int
    """validations along training"""
    keep: Literal["best", "last"] = "best"
    """the checkpoint that is best on val, or the last one"""
    keep_start: bool = True
    """the starting point is validated too"""
    seed: Seed = 0
    """seed of new weights and order of the batches"""


class EvaluateCell(Settings):
    """What one evaluation reads."""

    model: ModelSettings | None = None
    """set where it evaluates a plain CLIP"""
    frames: FramesSettings
    """how frames are resized"""
    num_frames: int
    """frames drawn from a clip [frames]"""
    max_tokens: int
    """longest text [tokens]"""
    seed: Seed = 0
    """seed of new proxies where a plain CLIP is given some"""
    right_answers: str | None = None
    """csv `query,clip_id` of further right answers"""
    right_answers_sha256: str = ""
    """filled in: of the csv, so that another content is another evaluation"""
    bank: Count = 2000
    """training clips, and as many texts, that tell QB-Norm which items are hubs [clips]"""
