"""Frames of one file: open, check, count, sample, decode, resize (paper section 4.1: sparse sampling, 224 px).

What a file's frames are is defined in presented.py, when they are shown in moments.py. An image is a video of one
frame. Whatever cannot be read raises `VideoError`, which names the file and the reason; no other file is ever taken in
its place. Every function decodes from the beginning of the file to the end of what is asked for, so that a fault on the
way is found by each of them; of single JPEG pictures in Matroska, which need no other one, only those asked for are.
Flipped bits inside a stream may still decode: only a checksum would find those.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps

from clipvip.data.media.container import LARGEST, Container, container_of, faults_named
from clipvip.data.media.file_header import VideoError, check_header, is_image
from clipvip.data.media.moments import Span
from clipvip.data.media.presented import Converter, Picture, presented, presented_alone

Image.MAX_IMAGE_PIXELS = None  # Pillow would warn; `_image` refuses by its own limit, from the header

Frames = UInt8[np.ndarray, "frames height width 3"]

CHUNK = 64  # frames converted at a time, or fewer large ones: bounds the memory of a long, large video
CHUNK_BYTES = 1 << 28
SAME = 1e-6  # seconds


def count_frames(path: str | Path) -> int:
    """Frames that the file presents, counted by decoding them; VideoError if it cannot be read."""
    if is_image(path):
        return len(_image(path))
    return sum(1 for _ in presented(container_of(path)))


def frame_times(path: str | Path) -> list[float]:
    """Seconds from the first frame at which each frame is shown; 0 for an image. VideoError if it cannot be read."""
    return [0.0] if is_image(path) else _measured(container_of(path), Span())


def duration_of(times: Sequence[float]) -> float:
    """Seconds that frames shown at these times last, the last one as long as the others on average."""
    return times[-1] * len(times) / (len(times) - 1) if len(times) > 1 else 0.0


def read_frames(path: str | Path, indices: Sequence[int] | Int[np.ndarray, " frames"]) -> Frames:
    """The frames at `indices` (any order, repeats allowed): [n, height, width, 3]; VideoError if one is not there."""
    wanted = np.asarray(indices, dtype=np.int64)
    if not len(wanted):
        raise VideoError(path, "no frames asked for")

    def choose(total: int) -> Int[np.ndarray, " chosen"]:
        if wanted.min() < 0 or wanted.max() >= total:
            raise VideoError(path, f"frames {wanted.min()} to {wanted.max()} asked for, the file has {total}")
        return wanted

    return read_chosen(path, choose)


def read_chosen(
    path: str | Path,
    choose: Callable[[int], Int[np.ndarray, " chosen"]],
    *,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
) -> Frames:
    """Of the frames that `read_chunks` gives, those that `choose` picks from their number; no other one is converted.

    `choose` is called again where decoding shows another number than the container told.
    """
    span = Span(start, end, fps)
    if is_image(path):
        image: Frames = _image(path)[choose(len(_inside(path, span, (0.0,))))]
        return image
    container = container_of(path)
    if container.times is not None and span.of(container.times):
        found = _chosen(container, span, container.times, choose)
        if found is not None:
            return found
    found = _chosen(container, span, _measured(container, span), choose)
    if found is None:
        raise VideoError(path, "decodes to other frames each time")
    return found


def read_chunks(
    path: str | Path, *, start: float | None = None, end: float | None = None, fps: float | None = None
) -> Iterator[Frames]:
    """Every frame with start <= time < end (seconds), at most 64 at a time; `fps` thins to at most that rate."""
    span = Span(start, end, fps)
    if is_image(path):
        yield _image(path)[_inside(path, span, (0.0,))]
        return
    container = container_of(path)
    for times_and_frames in _held(container, span):
        yield _stack(path, [picture for _, picture in times_and_frames])


def read_all(
    path: str | Path, *, start: float | None = None, end: float | None = None, fps: float | None = None
) -> Frames:
    """`read_chunks` in one array [n, height, width, 3]; VideoError if the file or the stretch cannot be read."""
    chunks = list(read_chunks(path, start=start, end=end, fps=fps))
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


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
        ends = int(rng.integers(0, interval + 1)), int(rng.integers(last - interval, total))
        first, last = sorted(min(max(end, 0), last) for end in ends)  # clips shorter than the interval
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


def read_timed(path: str | Path, span: Span) -> Iterator[list[tuple[float, Picture]]]:
    """(seconds from the first frame, picture) of each frame of a video in the span, some at a time."""
    yield from _held(container_of(path), span)


def _held(container: Container, span: Span) -> Iterator[list[tuple[float, Picture]]]:
    sieve, convert = span.sieve(), Converter(container.path)
    held: list[tuple[float, Picture]] = []
    last, any_held = 0.0, False
    for time, frame in presented(container):
        if span.past(time):
            break
        last = time
        if sieve(time):
            held.append((time, convert(frame)))
            any_held = True
        if len(held) == CHUNK or (held and len(held) * held[0][1].nbytes >= CHUNK_BYTES):
            yield held
            held = []
    if held:
        yield held
    if not any_held:
        raise _nothing(container.path, span, last)


def _chosen(
    container: Container, span: Span, times: Sequence[float], choose: Callable[[int], Int[np.ndarray, " chosen"]]
) -> Frames | None:
    """The frames that `choose` picks of those at `times`; None where decoding shows other times."""
    inside = _inside(container.path, span, times)
    wanted, place = np.unique(choose(len(inside)), return_inverse=True)
    asked = {inside[int(position)] for position in wanted}
    until = next((index for index, time in enumerate(times) if span.past(time)), len(times))
    convert, pictures, seen = Converter(container.path), list[Picture](), 0
    if container.single and times is container.times:
        alone = [convert(frame) for frame in presented_alone(container, asked)]
        return _stack(container.path, alone)[place] if len(alone) == len(asked) else None
    for index, (time, frame) in enumerate(presented(container)):
        if span.past(time):
            break
        if index >= until or abs(times[index] - time) > SAME:
            return None
        if index in asked:
            pictures.append(convert(frame))
        seen += 1
    return _stack(container.path, pictures)[place] if seen == until else None


def _measured(container: Container, span: Span) -> list[float]:
    """Times of the frames up to the end of the span, by decoding."""
    found = []
    for time, _ in presented(container):
        if span.past(time):
            break
        found.append(time)
    return found


def _inside(path: str | Path, span: Span, times: Sequence[float]) -> list[int]:
    inside = span.of(times)
    if not inside:
        raise _nothing(path, span, max((time for time in times if not span.past(time)), default=0.0))
    return inside


def _nothing(path: str | Path, span: Span, last: float) -> VideoError:
    return VideoError(path, f"no frame {span}; the last one before is at {last:.3g} s")


def _stack(path: str | Path, pictures: list[Picture]) -> Frames:
    with faults_named(path):
        return np.stack(pictures)


def _image(path: str | Path) -> Frames:
    check_header(path)
    with faults_named(path), Image.open(path) as image:
        if image.width * image.height > LARGEST:
            raise VideoError(path, f"a picture of {image.width} x {image.height} pixels, more than {LARGEST:,}")
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))[None]
