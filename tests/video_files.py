"""Small real video files for the tests of everything that reads media."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def ramp(count: int, height: int = 64, width: int = 64) -> np.ndarray:
    """Frames whose grey level tells their index: frame i is uniformly 10 + 12 i."""
    levels = (10 + 12 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def indices_of(frames: np.ndarray) -> list[int]:
    """Which frames of a ramp these are, after any lossy coding."""
    return [int(index) for index in np.rint((frames.mean(axis=(1, 2, 3)) - 10) / 12)]


def write_video(
    path: Path,
    frames: np.ndarray,
    *,
    fps: float = 8.0,
    form: str | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """Encode `frames`; `form` sets the container where the ending does not, `options` go to the encoder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=form) as container:
        x264 = {"crf": "10", "preset": "veryfast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=Fraction(fps), options=x264 | (options or {}))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
