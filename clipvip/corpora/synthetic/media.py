"""Frames to real files: H.264 video (mp4 or avi) and JPEG or PNG images, the same bytes every time."""

import functools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from PIL import Image

from clipvip.data.media.x264 import REPEATABLE

# A key frame every 8 keeps seeking cheap.
ENCODER = {"preset": "veryfast", "tune": "fastdecode", "crf": "19", "g": "8", "bf": "0"} | REPEATABLE


def write_video(path: Path, frames: UInt8[np.ndarray, "frames height width 3"], fps: float) -> None:
    """H.264 in the container that the ending of `path` names; sides must be even. The same bytes again at any size."""
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"{path.name}: H.264 needs even sides, not {width} x {height}; give an even `pixels`")
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            shown = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(_colours().reformat(shown, format="yuv420p")))
        container.mux(stream.encode())


@functools.cache
def _colours() -> VideoReformatter:
    """One for all videos: the encoder would make its own for each, which takes longer than its use."""
    return VideoReformatter()


def write_image(path: Path, frame: UInt8[np.ndarray, "height width 3"]) -> None:
    """JPEG with full chroma, or PNG, as the ending of `path` says."""
    image = Image.fromarray(frame)
    if path.suffix == ".jpg":
        image.save(path, quality=92, subsampling=0)
    else:
        image.save(path, compress_level=1)
