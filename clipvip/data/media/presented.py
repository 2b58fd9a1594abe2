"""The frames that a file presents: the one definition, which every reader uses.

They are what FFmpeg decodes of the best video stream, in order of presentation: what an edit list leaves out is left
out, each is turned as the file says, and its pixels are converted to 8-bit RGB in one way. Decoding begins at the
beginning of the file, because a decoder that seeks may give other frames without an error.
"""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import Int32, UInt8

from clipvip.data.media.container import Container, faults_named, opened
from clipvip.data.media.file_header import VideoError
from clipvip.data.media.moments import Clock

Picture = UInt8[np.ndarray, "height width 3"]
Turn = tuple[int, int, int, int]  # a, b, c, d of FFmpeg's display matrix, each -1, 0 or 1

UPRIGHT: Turn = (1, 0, 0, 1)
SMALL = 16  # pixels a side: each field of an interlaced frame has some
SKEW = math.sin(math.radians(1))  # FFmpeg takes an angle within one degree for a quarter turn


def presented(container: Container) -> Iterator[tuple[float, Any]]:
    """(time, decoded frame) of each frame in order of presentation.

    VideoError for whatever a decoder cannot read, where the picture changes its size, and where the frames end before
    the file says; the faults of what comes later stay unseen where the caller stops early.
    """
    clock = Clock(float(container.unit), container.step, streamed=container.streamed)
    size: tuple[int, int] | None = None
    with faults_named(container.path), opened(container.path) as file:
        for frame in _decoded(file, container):
            time = clock(frame.dts if container.unstamped else frame.pts, frame.duration)
            if size not in (None, (frame.width, frame.height)):
                raise VideoError(
                    container.path, f"the picture changes its size: {size} to {(frame.width, frame.height)}"
                )
            size = frame.width, frame.height
            yield time, frame
        if size is None:
            raise VideoError(container.path, "no frame can be decoded")
        if container.times is not None and not container.streamed:  # a part of a stream may begin later
            container.refuse_short(container.times[-1] - (clock.last or 0.0))


def presented_alone(container: Container, wanted: Collection[int]) -> Iterator[Any]:
    """The frames with these numbers, in order, of a container of single pictures; no other one is decoded.

    VideoError for one that cannot be read; the faults of the others stay unseen.
    """
    with faults_named(container.path), opened(container.path) as file:
        stream = file.streams[container.stream]
        stream.codec_context.thread_count = 1
        for number, packet in enumerate(each for each in file.demux(stream) if each.size):
            if number in wanted:
                frames = packet.decode()
                if [(frame.width, frame.height) for frame in frames] != [(container.width, container.height)]:
                    raise VideoError(container.path, f"packet {number} is no picture of the file's size")
                yield frames[0]


def _decoded(file: Any, container: Container) -> Iterator[Any]:
    """Frames as the decoder gives them. A stream that was cut out of a longer one begins at its first key frame."""
    stream = file.streams[container.stream]
    stream.codec_context.thread_count = 1
    begun = False
    for packet in file.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            if begun or not container.streamed:
                raise
            continue
        begun = begun or bool(frames)
        yield from frames


class Converter:
    """Decoded frames -> upright pictures of 8-bit RGB. One for a file: it keeps FFmpeg's tables."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reformatter = VideoReformatter()
        self._turn_of = Turns(path)

    def __call__(self, frame: Any) -> Picture:
        """VideoError where the frame cannot be converted, or is to be turned by other than a quarter turn."""
        with faults_named(self._path):
            rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
            return upright(rgb.to_ndarray(), self._turn_of(frame))


class Turns:
    """Decoded frame -> the quarter turn or mirroring that it is to be shown with. One for a file.

    PyAV keeps a frame that was asked for its side data until Python collects garbage, hundreds of them in a long file:
    a copy of a few pixels is asked instead.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> Turn:
        """VideoError for any other angle."""
        with faults_named(self._path):
            copy: Any = self._reformatter.reformat(
                frame, width=SMALL, height=SMALL, format="gray", interpolation=Interpolation.POINT, threads=1
            )
            data = copy.side_data.get("DISPLAYMATRIX")
            turn = UPRIGHT if data is None else _quarter(np.frombuffer(bytes(data), dtype=np.int32))
        if turn is None:
            raise VideoError(self._path, f"turned by {frame.rotation} degrees; only quarter turns are read")
        return turn


def _quarter(display_matrix: Int32[np.ndarray, "9"]) -> Turn | None:
    matrix = display_matrix[[0, 1, 3, 4]] / 65536
    scale = float(np.abs(matrix).max())
    if not scale:
        return UPRIGHT
    a, b, c, d = (round(float(each) / scale) for each in matrix)
    straight = abs(a * d - b * c) == 1 and np.abs(matrix / scale - (a, b, c, d)).max() < SKEW
    return (a, b, c, d) if straight else None


def upright(picture: Picture, turn: Turn) -> UInt8[np.ndarray, "upright_height upright_width 3"]:
    """The picture turned: what was at (x, y) comes to (a x + c y, b x + d y), moved into view."""
    a, b, c, d = turn
    if turn == UPRIGHT:
        return picture
    if a == 0:  # rows become columns
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(picture[::d, ::a])
