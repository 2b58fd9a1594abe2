"""One video -> a small H.264 file with many key frames: what a sampler may see, quick to reach."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from clipvip.data.media.file_header import VideoError
from clipvip.data.media.video import rate_of, read_chunks
from clipvip.data.media.x264 import REPEATABLE

KEY_EVERY = 6  # frames: two seconds at 3 a second


@dataclass(frozen=True)
class Recipe:
    """How files are made small."""

    fps: float = 3.0  # at most; a slower video keeps its rate
    side: int = 224  # of the short side, pixels; a smaller video keeps its size
    quality: int = 23  # x264's constant rate factor: lower is better and larger

    def __post_init__(self) -> None:
        if self.fps <= 0 or self.side < 2 or not 0 <= self.quality <= 51:
            raise ValueError(f"{self}: fps is above 0, side at least 2, quality from 0 to 51")


def transcode(source: Path, target: Path, recipe: Recipe) -> int:
    """Write `target` (an MP4, whatever its ending says); how many frames it has. Again, it is the same bytes.

    Frame i stands at i / rate as in the source, so that spans in seconds hold. Raises VideoError where the source
    cannot be read to its end; what was begun is then removed.
    """
    beside = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        count = _write(source, beside, recipe)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return count


def _write(source: Path, target: Path, recipe: Recipe) -> int:
    rate = Fraction(min(recipe.fps, rate_of(source))).limit_denominator(100_000)
    chunks = read_chunks(source, fps=recipe.fps)
    first = next(chunks)
    height, width = small(first.shape[1], first.shape[2], recipe.side)
    count = 0
    options = {"preset": "veryfast", "crf": str(recipe.quality), "g": str(KEY_EVERY), "bf": "0"} | REPEATABLE
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for frames in chain([first], chunks):
            for pixels in frames:
                if pixels.shape != first.shape[1:]:
                    raise VideoError(source, f"the frame changes its size to {pixels.shape[1]} x {pixels.shape[0]}")
                large = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                container.mux(stream.encode(large.reformat(width, height, "yuv420p", interpolation="BICUBIC")))
                count += 1
        container.mux(stream.encode())
    return count


def small(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width with the short side at most `side`, the aspect kept, both even as H.264 wants them."""
    scale = min(1.0, side / min(height, width))
    tall, wide = (max(2, 2 * math.floor(length * scale / 2 + 0.5)) for length in (height, width))
    return tall, wide
