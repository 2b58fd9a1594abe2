"""Frames of one file: open, check, count, sample, decode, resize (paper section 4.1: sparse sampling, 224 px).

decord reads runs that begin at the first frame. Everything else PyAV decodes from the start on, keeping what is wanted:
where decord 0.6.0 skips or seeks it may give other frames than those asked for, without an error and not the same each
time (AVI, MKV, MPEG-4 with B frames; its issues 91, 195, 252), and it fails on some frame widths. An image is a video
of one frame. Whatever cannot be read raises `VideoError`, which names the file and the reason; no other file is ever
taken in its place. Flipped bits inside a stream may still decode: only a checksum would find those.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import decord
import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from clipvip.data.media.file_header import VideoError, check_header, is_image
from clipvip.data.media.in_order import CHUNK, Frames, decode_in_order, measure, refuse_claims

Choice = Callable[[int, float], Sequence[int]]  # (frames in the file, frames per second) -> increasing indices

decord.logging.set_level(decord.logging.QUIET)  # the reasons travel in VideoError


def count_frames(path: str | Path) -> int:
    """Frames in the file; VideoError if it cannot be opened or has none."""
    if is_image(path):
        check_header(path)
        return 1
    _, total, rate = _open(path)
    return len(_between(path, total, rate, None, None))


def rate_of(path: str | Path) -> float:
    """Frames per second of the file; VideoError if it cannot be opened."""
    return _open(path)[2]


def read_frames(path: str | Path, indices: Sequence[int] | Int[np.ndarray, " frames"]) -> Frames:
    """The frames at `indices` (any order, repeats allowed): [n, height, width, 3]; VideoError if one is not there."""
    wanted, place = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
    if not len(wanted):
        raise VideoError(path, "no frames asked for")

    def choose(total: int, rate: float) -> Sequence[int]:
        if wanted[0] < 0 or wanted[-1] >= total:
            raise VideoError(path, f"frames {wanted[0]} to {wanted[-1]} asked for, the file has {total}")
        return [int(index) for index in wanted]

    return np.concatenate(list(_decode(path, choose)))[place]


def read_chosen(
    path: str | Path,
    choose: Callable[[int], Int[np.ndarray, " chosen"]],
    *,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
) -> Frames:
    """Of the frames that `read_chunks` gives, those that `choose` picks from their number; no other one is kept.

    What lies after the last of them is not decoded, so that a fault there stays unseen.
    """
    place = np.zeros(0, dtype=np.int64)

    def pick(total: int, rate: float) -> Sequence[int]:
        nonlocal place
        inside = _thinned(_between(path, total, rate, start, end), rate, fps)
        wanted, place = np.unique(choose(len(inside)), return_inverse=True)
        return [inside[int(position)] for position in wanted]

    return np.concatenate(list(_decode(path, pick)))[place]


def read_chunks(
    path: str | Path, *, start: float | None = None, end: float | None = None, fps: float | None = None
) -> Iterator[Frames]:
    """Every frame with start <= time < end (seconds), at most 64 at a time; `fps` thins to at most that rate."""

    def choose(total: int, rate: float) -> Sequence[int]:
        return _thinned(_between(path, total, rate, start, end), rate, fps)

    yield from _decode(path, choose)


def read_all(
    path: str | Path, *, start: float | None = None, end: float | None = None, fps: float | None = None
) -> Frames:
    """`read_chunks` in one array [n, height, width, 3]; VideoError if the file or the stretch cannot be read."""
    return np.concatenate(list(read_chunks(path, start=start, end=end, fps=fps)))


def sample_indices(total: int, num_frames: int, *, rng: np.random.Generator | None) -> Int[np.ndarray, " num_frames"]:
    """`num_frames` indices in rising order out of `total`, evenly spaced (facts section 6).

    Without `rng` (evaluation) from the first frame to the last. With it (training) both ends move inwards by up to one
    interval, int(total / (num_frames - 1)). Short clips repeat frames. One frame is the middle, or any in training.
    """
    if total < 1 or num_frames < 1:
        raise ValueError(f"cannot take {num_frames} of {total} frames")
    if num_frames == 1:
        return centres(total, 1) if rng is None else np.array([rng.integers(total)], dtype=np.int64)
    first, last = 0, total - 1
    if rng is not None:
        interval = total // (num_frames - 1)
        ends = rng.integers([0, last - interval], [interval + 1, total])
        first, last = (int(end) for end in np.sort(np.clip(ends, 0, last)))  # clips shorter than the interval
    return first + (last - first) * np.arange(num_frames, dtype=np.int64) // (num_frames - 1)


def centres(total: int, parts: int) -> Int[np.ndarray, " {parts}"]:
    """Indices of the middle frame of each of `parts` equal parts; one part: the middle (paper section 3.3)."""
    return (2 * np.arange(parts, dtype=np.int64) + 1) * total // (2 * parts)


def resize(
    frames: Frames, size: int, mode: Literal["squash", "crop"], antialias: bool = True
) -> UInt8[np.ndarray, "frames {size} {size} 3"]:
    """Frames of `size` x `size`, bicubic: squashed, or short side to `size` and the centre cut out.

    Without `antialias` on floats, as the authors' code seems to have done; what comes out is rounded to bytes.
    """
    import torch  # a second of start-up that reading alone does not need

    height, width = frames.shape[1:3]
    if height == width == size:
        return frames
    tall, wide = size, size
    if mode == "crop":
        tall, wide = (max(size, round(side * size / min(height, width))) for side in (height, width))
    # bytes with channels last stay bytes: five times faster than float, within one level of it
    planes = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(
        planes if antialias else planes.float(), (tall, wide), mode="bicubic", antialias=antialias
    )
    if not antialias:
        scaled = scaled.round_().clamp_(0, 255).byte()
    top, left = (tall - size) // 2, (wide - size) // 2
    cut = scaled[:, :, top : top + size, left : left + size]
    return np.ascontiguousarray(cut.permute(0, 2, 3, 1).numpy())


def _between(path: str | Path, total: int, rate: float, start: float | None, end: float | None) -> range:
    first = 0 if start is None else max(0, math.ceil(start * rate - 1e-6))
    last = total if end is None else min(total, math.ceil(end * rate - 1e-6))
    if last <= first:
        raise VideoError(
            path, f"no frame from {start} s to {end} s; the file has {total} frames at {rate:.3g} a second"
        )
    return range(first, last)


def _thinned(inside: range, rate: float, fps: float | None) -> Sequence[int]:
    """Evenly at most `fps` of `rate` frames a second."""
    step = max(1.0, rate / fps) if fps else 1.0
    return [inside[int(position * step)] for position in range(math.ceil(len(inside) / step - 1e-9))]


def _open(path: str | Path) -> tuple[Any, int, float]:
    """decord's reader (None where it fails), frames, frames per second."""
    check_header(path)
    refuse_claims(path)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        return reader, len(reader), float(reader.get_avg_fps())
    except (decord.DECORDError, RuntimeError):
        return None, *measure(path)


def _decode(path: str | Path, choose: Choice) -> Iterator[Frames]:
    if is_image(path):
        choose(1, 1.0)
        yield _image(path)
        return
    reader, total, rate = _open(path)
    indices = choose(total, rate)
    run = indices[-1] == len(indices) - 1  # 0, 1, 2, ...: decord need not skip or seek
    begun = False
    try:
        for chunk in _chunks(indices) if reader and run else ():
            frames: Frames = reader.get_batch(chunk).asnumpy()
            begun = True
            yield frames
    except (decord.DECORDError, RuntimeError) as error:
        if begun:  # the file is good up to here only
            raise VideoError(path, str(error).strip().splitlines()[-1]) from None
    if not begun:
        yield from decode_in_order(path, indices)


def _image(path: str | Path) -> Frames:
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))[None]
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's broken PNG is a SyntaxError
        raise VideoError(path, str(error)) from None


def _chunks(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    for position in range(0, len(indices), CHUNK):
        yield indices[position : position + CHUNK]
