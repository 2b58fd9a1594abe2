"""What PyAV reads of a file from its start on: its claims, its length, the frames in their order."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from clipvip.data.media.file_header import VideoError

Frames = UInt8[np.ndarray, "frames height width 3"]

CHUNK = 64  # frames decoded at a time: bounds the memory of a long, large video

logging.getLogger("libav").setLevel(logging.CRITICAL)  # the reasons travel in VideoError


def refuse_claims(path: str | Path) -> None:
    """VideoError where a broken header claims more frames than the file has bytes: decord would allocate them all, and
    end the process."""
    try:
        with av.open(str(path)) as container:
            claimed = max((stream.frames for stream in container.streams.video), default=0)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(path, getattr(error, "strerror", None) or str(error)) from None
    if claimed > (size := Path(path).stat().st_size):
        raise VideoError(path, f"claims {claimed} frames in {size} bytes")


def measure(path: str | Path) -> tuple[int, float]:
    """Frames and frames per second; packets are counted where the container does not say."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(path, "no video stream")
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.guessed_rate or 1)
            return stream.frames or sum(packet.size > 0 for packet in container.demux(stream)), rate
    except (av.FFmpegError, OSError) as error:
        raise VideoError(path, getattr(error, "strerror", None) or str(error)) from None


def decode_in_order(path: str | Path, indices: Sequence[int]) -> Iterator[Frames]:
    """Decode from the first frame on, convert only those at rising `indices`; VideoError if one is not there."""
    wanted, held, seen = set(indices), list[Frames](), 0
    try:
        with av.open(str(path)) as container:
            decoder = container.streams.video[0].codec_context
            if decoder is None:  # a codec that nobody knows: flipped bits in its name
                raise VideoError(path, "no decoder for its video stream")
            decoder.thread_count = 1
            for frame in container.decode(video=0):
                if seen in wanted:
                    held.append(frame.to_ndarray(format="rgb24"))
                seen += 1
                if len(held) == CHUNK:
                    yield np.stack(held)
                    held = []
                if seen > indices[-1]:
                    break
    except (av.FFmpegError, OSError) as error:
        raise VideoError(path, getattr(error, "strerror", None) or str(error)) from None
    if seen <= indices[-1]:
        raise VideoError(path, f"cut short: frame {indices[-1]} asked for, {seen} can be decoded")
    if held:
        yield np.stack(held)
