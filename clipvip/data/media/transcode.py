"""One video -> a small H.264 file with many key frames: what a sampler may see, quick to reach."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from jaxtyping import Int
from PIL import Image

from clipvip.data.media.container import container_of
from clipvip.data.media.file_header import VideoError
from clipvip.data.media.moments import TICK, Span
from clipvip.data.media.presented import Picture
from clipvip.data.media.video import read_timed
from clipvip.data.media.x264 import REPEATABLE

KEY_EVERY = 6  # frames: two seconds at 3 a second
FINEST = 90_000  # ticks a second of a copy, where the source counts finer
UNLIKE = 48  # grey levels between a frame and its copy in 4 x 4 pixels; the coarsest quality stays below


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

    Each frame keeps its time, so that spans in seconds hold. What was written is read back and compared. Raises
    VideoError where the source cannot be read to its end, or the copy differs; what was begun is then removed.
    """
    beside = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        sent = _write(source, beside, recipe)
        _verify(source, beside, sent, recipe)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return len(sent)


@dataclass(frozen=True)
class Sent:
    """What the encoder was given: the time of a frame in seconds, and its picture in 4 x 4 pixels."""

    time: float
    outline: Int[np.ndarray, "4 4 3"]


def _write(source: Path, target: Path, recipe: Recipe) -> list[Sent]:
    found, unit = container_of(source), container_of(source).unit
    unit = unit if unit.denominator <= FINEST else Fraction(1, FINEST)
    chunks = read_timed(source, Span(fps=recipe.fps))
    begun = next(chunks)
    first = begun[0][1]
    height, width = small(first.shape[0], first.shape[1], recipe.side)
    options = {"preset": "veryfast", "crf": str(recipe.quality), "g": str(KEY_EVERY), "bf": "0"} | REPEATABLE
    sent: list[Sent] = []
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container:
        rate = Fraction(min(recipe.fps, 1 / found.step)).limit_denominator(100_000)
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.time_base = unit
        for time, pixels in chain(begun, chain.from_iterable(chunks)):
            large = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = large.reformat(width, height, "yuv420p", interpolation="BICUBIC")
            frame.pts, frame.time_base = round(time / unit), unit
            container.mux(stream.encode(frame))
            sent.append(Sent(time, _outline(pixels)))
        container.mux(stream.encode())
    return sent


def _verify(source: Path, copy: Path, sent: list[Sent], recipe: Recipe) -> None:
    """VideoError unless the copy gives, at the rate it was made for, the frames that were sent, at their times."""
    try:
        read = [each for chunk in read_timed(copy, Span(fps=recipe.fps)) for each in chunk]
    except VideoError as error:
        raise VideoError(source, f"its copy cannot be read: {error.reason}") from None
    if len(read) != len(sent):
        raise VideoError(source, f"its copy shows {len(read)} frames of {len(sent)}")
    for number, ((time, pixels), wanted) in enumerate(zip(read, sent, strict=True)):
        if abs(time - wanted.time) > TICK:
            raise VideoError(source, f"frame {number} of its copy is at {time:.3f} s, not {wanted.time:.3f} s")
        if np.abs(_outline(pixels) - wanted.outline).max() > UNLIKE:
            raise VideoError(source, f"frame {number} of its copy shows another picture")


def _outline(pixels: Picture) -> Int[np.ndarray, "4 4 3"]:
    return np.asarray(Image.fromarray(pixels).resize((4, 4), Image.Resampling.BOX), dtype=np.int64)


def small(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width with the short side at most `side`, the aspect kept, both even as H.264 wants them."""
    scale = min(1.0, side / min(height, width))
    tall, wide = (max(2, 2 * math.floor(length * scale / 2 + 0.5)) for length in (height, width))
    return tall, wide
