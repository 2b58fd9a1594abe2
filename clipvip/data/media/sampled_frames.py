"""Evenly sampled frames of a file, or of a stretch of it: what a model looks at."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from clipvip.data.media.video import read_chosen, sample_indices


def read_frames(
    path: str | Path, num_frames: int, start: float | None = None, end: float | None = None
) -> UInt8[np.ndarray, "{num_frames} height width 3"]:
    """`num_frames` RGB frames, evenly spaced from the first to the last with start <= time < end (seconds).

    A clip with fewer frames repeats some; one frame is the middle one. An image is a video of one frame. Raises
    VideoError, which names the file, where it cannot be read or nothing lies in the stretch; ValueError for
    `num_frames` below 1.

    Example:
        >>> frames = clipvip.read_frames("film.mp4", 12, start=30.0, end=45.0)  # doctest: +SKIP
        >>> frames.shape  # doctest: +SKIP
        (12, 360, 640, 3)
    """
    return read_and_count(path, num_frames, start, end)[0]


def read_and_count(
    path: str | Path, num_frames: int, start: float | None = None, end: float | None = None
) -> tuple[UInt8[np.ndarray, "{num_frames} height width 3"], int]:
    """As `read_frames`, and of how many frames they were taken."""
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; it takes at least 1")
    count = 0

    def choose(total: int) -> Int[np.ndarray, " chosen"]:
        nonlocal count
        count = total
        return sample_indices(total, num_frames, rng=None)

    return read_chosen(path, choose, start=start, end=end), count
