"""The frames of a hit side by side, the best one among them, as one JPEG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from clipvip.data.media.video import frame_times, read_frames
from clipvip.evaluation.search.index import Hit, Moment
from clipvip.runtime.shown import Shown

CELLS: Shown = 6  # frames of a strip
WIDTH, HEIGHT = 160, 120  # pixels of a frame, at most


@dataclass(frozen=True)
class Cell:
    """A frame of a strip; the best one of its video is marked."""

    moment: Moment
    best: bool


def cells(hit: Hit, most: int = CELLS) -> list[Cell]:
    """Frames spread evenly over the stretch, the nearest of them replaced by the best one; distinct, in order."""
    count = len(hit.frames)
    chosen = np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist()
    nearest = min(range(len(chosen)), key=lambda place: abs(chosen[place] - hit.best))
    chosen[nearest] = hit.best
    return [Cell(hit.frames[i], i == hit.best) for i in sorted(set(chosen))]


def strip(path: Path, seconds: Sequence[float]) -> bytes:
    """The frames at these times as a JPEG, side by side. Raises VideoError."""
    times = np.array(frame_times(path))
    frames = read_frames(path, [int(abs(times - each).argmin()) for each in seconds])
    height, width = frames.shape[1:3]
    scale = min(WIDTH / width, HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = Image.new("RGB", (len(frames) * WIDTH, HEIGHT), (40, 40, 40))
    for place, frame in enumerate(frames):
        small = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)
        whole.paste(small, (place * WIDTH + (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2))
    file = io.BytesIO()
    whole.save(file, "JPEG", quality=80, optimize=True)
    return file.getvalue()
