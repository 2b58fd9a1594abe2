"""How large a corpus is, stated before its files are there; read by `clipvip plan` only."""

from typing import Literal

from pydantic import Field

from clipvip.config.base import Settings


class CorpusSize(Settings):
    """What is known of a corpus without reading it; never part of a key."""

    clips: dict[Literal["train", "val", "test"], int] = Field(min_length=1)
    """clips of each split, held-out ones among those for training [clips]"""
    seconds: float = Field(0.0, ge=0)
    """mean length of a clip; 0 for images [s]"""
    fps: float = Field(30.0, gt=0)
    """frame rate of the files [frames/s]"""
    width: int = Field(1280, ge=1)
    """width of the files [pixels]"""
    height: int = Field(720, ge=1)
    """height of the files [pixels]"""
    texts: float = Field(1.0, gt=0)
    """texts of a clip that is evaluated [texts]"""
    gigabytes: float = Field(0.0, ge=0)
    """what the files take on the disk; 0: not said [GB]"""
