"""One study of experiments/studies.yaml: a question, the paper's claim, and variants."""

from typing import Any, Literal

from pydantic import Field

from clipvip.config.base import Name, Settings
from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings
from clipvip.config.stages import FinetuneSettings, PretrainSettings


class TrendSettings(Settings):
    """Variants that lie along a scale, as lines by name."""

    along: Literal["clips", "proxies"]
    """what grows along a line"""
    lines: dict[str, tuple[str, ...]]
    """name of a line -> its variants in rising order"""


class StudySettings(Settings):
    """One study of experiments/studies.yaml."""

    title: str
    """the question, in words"""
    claim: str = ""
    """what the paper says; empty: nothing"""
    base: dict[str, Any] = Field(default={})
    """what all variants change in the same way"""
    baseline: str | None = None
    """the variant that others are tested against"""
    downstream: tuple[str, ...] | None = None
    """downstream sets it runs on; null: all of the experiment"""
    variants: dict[Name, dict[str, Any]] = Field(min_length=1)
    """name of a variant -> what it changes; mappings merge, lists and scalars replace, null switches off"""
    expect: tuple[str, ...] = ()
    """what the paper leads one to expect: `left > right on SET/DIRECTION/SCORE`, `... on nmi/SET`; a side may be a
    difference, `a - b`; `margin 1` at the end is the smallest difference that matters"""
    family: str = ""
    """what variants without a prefix (small beside proxies_small) have in common, for figures"""
    trend: TrendSettings | None = None
    """where the variants are a scale"""
    gap: bool = False
    """with the language domain gap"""


class VariantSettings(Settings):
    """What a variant resolves to."""

    model: ModelSettings
    """the video encoder"""
    frames: FramesSettings
    """how frames are resized for this variant; the starting CLIP and the captioner keep the experiment's"""
    pretrain: PretrainSettings | None
    """post-pretraining; null: none"""
    finetune: FinetuneSettings | None
    """fine-tuning on each downstream set; null: none"""
