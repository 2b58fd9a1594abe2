"""How large a corpus is, stated before its files are there; read by `clipvip plan` only."""

from typing import Literal

from pydantic import Field

from clipvip.config.base import Amount, Count, Positive, Settings, Size


class CorpusSize(Settings):
    """What is known of a corpus without reading it; never part of a key."""

    clips: dict[Literal["train", "val", "test"], Count] = Field(min_length=1)
    """clips of each split, held-out ones among those for training [clips]"""
    seconds: Amount = 0.0
    """mean length of a clip; 0 for images [s]"""
    fps: Positive = 30.0
    """frame rate of the files [frames/s]"""
    width: Size = 1280
    """width of the files [pixels]"""
    height: Size = 720
    """height of the files [pixels]"""
    texts: Positive = 1.0
    """texts of a clip that is evaluated [texts]"""
    gigabytes: Amount = 0.0
    """what the files take on the disk; 0: not said [GB]"""
