"""Settings of models and their training: the video encoder, the optimizer, the starting CLIP and the captioner."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clipvip.config.base import Amount, Count, Model, Positive, Seed, Settings, Size
from clipvip.config.data import FramesSettings

Beta = Annotated[float, Field(ge=0, lt=1)]


class ModelSettings(Settings):
    """The video encoder (paper section 3.2)."""

    pooling: Literal["mean", "proxies", "full"] = "proxies"
    """how frames become one embedding: mean of frames, video proxies, or full space-time attention"""
    num_proxies: Size = 4
    """M, number of video proxies; read by proxies only [tokens]"""
    num_frames: Size = 12
    """N, slots of the temporal embedding [frames]"""
    temporal: bool | None = None
    """temporal embedding; null: on for proxies and full, off for mean"""
    proxy_std: Amount = 1.0
    """standard deviation of new proxies at the start"""
    temporal_std: Amount = 0.0
    """standard deviation of the temporal embedding at the start; 0 starts it at zero"""
    patch_dropping: float = Field(0.0, ge=0, lt=1)
    """share of each frame's patches left out in training"""


class OptimSettings(Settings):
    """AdamW with warm-up and cosine to zero (paper section 4.1)."""

    steps: Count | None = None
    """length of training; give one of steps and epochs: in a later file or a variant it replaces the other [steps]"""
    epochs: Positive | None = None
    """length of training in passes over the clips [epochs]"""
    batch_size: Size = 128
    """global batch, over all processes [clips]"""
    lr: Amount = 1e-6
    """highest learning rate"""
    weight_decay: Amount = 0.2
    """weight decay of AdamW"""
    betas: tuple[Beta, Beta] = (0.9, 0.98)
    """betas of AdamW"""
    warmup: float = Field(0.01, ge=0, le=1)
    """share of all steps over which the learning rate rises"""
    grad_norm: Positive | None = 1.0
    """clip the gradient to this norm; null: no clipping"""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """number format of the matrix products"""
    decay_all: bool = False
    """also decay layer norms, proxies and temporal embeddings, as the authors' code did"""
    eps: Positive = 1e-8
    """epsilon of AdamW; the authors' is 1e-6"""
    eps_uncorrected: bool = False
    """add epsilon before the bias correction, as the authors' code did: 7 times as much at step 1"""
    temperature_lr: Amount = 1.0
    """factor on the learning rate of the temperature; the authors take 10 for DiDeMo at B/16"""
    clamp_first: bool = False
    """clamp the temperature before a step and not after it, as the authors' code did"""
    keep_partial: bool = False
    """keep the last, incomplete batch of an epoch, as the authors' code did"""
    shuffle: Count | None = None
    """clips among which the order of an epoch is drawn, neighbours in the corpus; null: all. With tar shards a few
    thousand: they are then read from front to back [clips]"""
    published_schedule: bool = False
    """warm-up of whole steps, rounded down, and the last step at 1e-8, as in the authors' code"""

    @model_validator(mode="after")
    def _one_length(self) -> "OptimSettings":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of `steps` and `epochs`")
        return self


class TinyClip(Settings):
    """Shape of a CLIP that is trained from nothing (small world)."""

    image_size: Size = 24
    """side of the input [pixels]"""
    patch_size: Size = 8
    """side of a patch [pixels]"""
    vision_width: Size = 64
    """width of the vision tower [channels]"""
    vision_layers: Size = 3
    """depth of the vision tower [layers]"""
    text_width: Size = 64
    """width of the text tower [channels]"""
    text_layers: Size = 2
    """depth of the text tower [layers]"""
    heads: Size = 4
    """attention heads of both towers"""
    dim: Size = 64
    """size of the shared embedding [channels]"""
    max_tokens: Size = 77
    """positions of the text tower [tokens]"""
    vocab_size: Size = 1000
    """largest vocabulary of byte-pair pieces [tokens]"""


class ClipSettings(Settings):
    """Where everything starts: a CLIP folder or hub id, or a small CLIP trained here."""

    source: str | None = None
    """CLIP as a transformers folder or hub id; give either this or shape, corpus and optim"""
    shape: TinyClip | None = None
    """shape of the small CLIP"""
    corpus: str | None = None
    """image-text corpus the small CLIP learns from"""
    optim: OptimSettings | None = None
    """training of the small CLIP"""
    frames: FramesSettings | None = None
    """filled in from the experiment's frames where the CLIP is trained here"""
    seed: Seed = 0
    """seed of weights and order of the batches"""

    @model_validator(mode="after")
    def _one_origin(self) -> "ClipSettings":
        return _learnt_or_given(self)


class TinyCaptioner(Settings):
    """Shape of a captioner that is trained from nothing (small world)."""

    image_size: Size = 24
    """side of the input [pixels]"""
    patch_size: Size = 4
    """side of a patch [pixels]"""
    width: Size = 64
    """width of encoder and decoder [channels]"""
    vision_layers: Size = 2
    """depth of the encoder [layers]"""
    text_layers: Size = 2
    """depth of the decoder [layers]"""
    heads: Size = 4
    """attention heads"""
    vocab_size: Size = 500
    """largest vocabulary of byte-pair pieces [tokens]"""


class CaptionerSettings(Settings):
    """An image-to-text model (folder or hub id), captions made elsewhere, or a small model trained here."""

    source: str | None = None
    """image-to-text model as a transformers folder or hub id"""
    imported: str | None = None
    """captions made elsewhere: jsonl of {"clip_id", "caption"}, or an LMDB keyed by clip id"""
    shape: TinyCaptioner | None = None
    """shape of the small captioner"""
    corpus: str | None = None
    """image-caption corpus the small captioner learns from"""
    optim: OptimSettings | None = None
    """training of the small captioner"""
    frames: FramesSettings | None = None
    """filled in from the experiment's frames where the captioner is trained here"""
    seed: Seed = 0
    """seed of weights and order of the batches"""

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

    max_tokens: Size = 20
    """longest caption [tokens]"""
    num_beams: Size = 1
    """beams of the search; 1 is greedy"""
    num_frames: Size = 1
    """frames captioned per clip: the middles of as many equal parts, a caption each [frames]"""
    frames: FramesSettings = FramesSettings()
    """filled in from the experiment's frames: the captions depend on them, cached or not"""
