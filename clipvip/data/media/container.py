"""What the container of a video says, from one pass over its packets; nothing is decoded.

The video of a file is the stream that FFmpeg takes for the best, never an attached picture. Where its packets tell the
times of its frames without doubt these are known before decoding; whoever decodes compares.
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from clipvip.data.media.file_header import VideoError, check_header
from clipvip.data.media.moments import Clock

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpeg,mpegvideo,mpegts,flv,ogg,gif"
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}  # a playlist may name other files
STREAMED = frozenset({"mpeg", "mpegts"})  # no duration of their own; files may be joined end to end
UNSTAMPED = frozenset({"avi", "mpegvideo"})  # tell when to decode a frame, not when to show it
SAYS_DURATION = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "flv"})
LARGEST = 1 << 26  # pixels of a frame
SHORTER = 0.01  # share of its declared duration that a video may lack: containers round

logging.getLogger("libav").setLevel(logging.CRITICAL)  # the reasons travel in VideoError


@dataclass(frozen=True)
class Container:
    """One file as its container describes it. Times are in seconds."""

    path: Path
    format: str
    stream: int  # its index
    streams: int  # of video, attached pictures left out
    height: int  # as coded
    width: int
    unit: Fraction  # seconds a tick of the timestamps
    step: float  # a frame, where nothing else says so
    times: tuple[float, ...] | None  # of the frames, from the first on; None where only decoding tells
    packets: int
    key_packets: int
    hidden: int  # packets that an edit list keeps from being shown
    splices: int  # how often timestamps go back in order of decoding
    lacks: float  # how much shorter the packets are than what is declared
    single: bool = False  # JPEG pictures in Matroska: each packet is a frame that needs no other one

    @property
    def streamed(self) -> bool:
        """Whether the format knows no beginning and no end."""
        return self.format in STREAMED

    @property
    def unstamped(self) -> bool:
        """Whether frames are shown at the pace at which they are decoded."""
        return self.format in UNSTAMPED

    def refuse_short(self, lacks: float) -> None:
        """VideoError where more than a rounding is missing of the declared duration."""
        end = self.times[-1] if self.times else 0.0
        if lacks > max(0.2, 2 * self.step, SHORTER * end):
            raise VideoError(self.path, f"cut short: it ends {lacks:.2f} s before its declared end")


def container_of(path: str | Path) -> Container:
    """The container of a video file; VideoError for one that is no video, is broken, or cut short."""
    check_header(path)
    stat = Path(path).stat()
    return _container(str(path), stat.st_size, stat.st_mtime_ns)


@contextlib.contextmanager
def faults_named(path: str | Path) -> Iterator[None]:
    """Whatever a decoder raises becomes a VideoError that names the file."""
    try:
        yield
    except VideoError:
        raise
    except Exception as error:
        raise VideoError(path, _reason(error)) from None


def opened(path: str | Path) -> Any:
    """The file opened by PyAV; text in it that is not UTF-8 is shown as it can be."""
    return av.open(str(path), options=OPTIONS, metadata_errors="replace")


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error).strip()
    known = isinstance(error, av.FFmpegError | OSError)
    return said if known and said else f"{type(error).__name__}: {said}" if said else type(error).__name__


@lru_cache(maxsize=64)  # several clips of one film, one after the other
def _container(path: str, size: int, changed: int) -> Container:
    with faults_named(path), opened(path) as file:
        streams = [each for each in file.streams.video if not each.disposition & Disposition.attached_pic]
        if not streams:
            only = " (only an attached picture)" if file.streams.video else ""
            raise VideoError(path, f"no video stream{only}")
        best = file.streams.best("video")
        stream = best if best in streams else max(streams, key=lambda each: each.width * each.height)
        context: Any = stream.codec_context
        if context is None:  # a codec that nobody knows: flipped bits in its name
            raise VideoError(path, "no decoder for its video stream")
        if context.width * context.height > LARGEST:
            raise VideoError(path, f"frames of {context.width} x {context.height} pixels")
        found = _Packets(stream.index, unstamped=file.format.name in UNSTAMPED)
        for packet in _demuxed(file, path):
            found.add(packet)
        if found.corrupt and file.format.name not in STREAMED - {"mpeg"}:
            raise VideoError(path, "cut short, or damaged: a packet is not whole")
        if not found.count:
            raise VideoError(path, "its video stream is empty")
        rate: Any = stream.average_rate or stream.guessed_rate
        step = float(1 / rate) if rate else 0.04
        streamed = file.format.name in STREAMED
        made = Container(
            path=Path(path),
            format=file.format.name,
            stream=stream.index,
            streams=len(streams),
            height=context.height,
            width=context.width,
            unit=stream.time_base,
            step=step,
            times=found.times(float(stream.time_base), step, streamed=streamed),
            packets=found.count,
            key_packets=found.keys,
            hidden=found.hidden,
            splices=found.splices,
            lacks=found.lacks(file, stream),
            single=(context.name, file.format.name) == ("mjpeg", "matroska,webm") and found.in_order,
        )
    made.refuse_short(made.lacks)
    return made


def _demuxed(file: Any, path: str) -> Iterator[Any]:
    """All packets; VideoError where one is of a stream that was not there when the file was opened."""
    try:
        yield from file.demux()
    except IndexError:  # of PyAV, for want of a better one
        raise VideoError(path, "damaged: a stream begins where none was announced") from None


class _Packets:
    """Counts the packets of a file as they pass."""

    def __init__(self, stream: int, *, unstamped: bool) -> None:
        self._stream, self._unstamped = stream, unstamped
        self.count = self.keys = self.hidden = self.corrupt = 0
        self._stamps: list[tuple[int | None, int]] = []  # of the frames to be shown, in order of decoding
        self.splices = 0
        self._last: int | None = None
        self._span: dict[int, list[Any]] = {}  # stream -> first and last time in seconds

    def add(self, packet: Any) -> None:
        """Take in a packet of any stream."""
        if not packet.size:
            return
        self._cover(packet)
        if packet.stream_index != self._stream:
            return
        self.count += 1
        self.keys += packet.is_keyframe
        self.corrupt += packet.is_corrupt
        if packet.dts is not None:
            self.splices += self._last is not None and packet.dts <= self._last
            self._last = packet.dts
        if packet.is_discard:
            self.hidden += 1
        else:
            self._stamps.append((packet.dts if self._unstamped else packet.pts, packet.duration or 0))

    def _cover(self, packet: Any) -> None:
        if packet.pts is None or packet.is_discard:
            return
        begin, end = packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base
        known = self._span.setdefault(packet.stream_index, [begin, end])
        known[0], known[1] = min(known[0], begin), max(known[1], end)

    def times(self, unit: float, step: float, *, streamed: bool) -> tuple[float, ...] | None:
        """Times of the frames; None where decoding alone tells them."""
        known = sorted((stamp, duration) for stamp, duration in self._stamps if stamp is not None)
        if self.splices or len(known) < len(self._stamps):
            return None
        clock = Clock(unit, step, streamed=streamed)
        times = tuple(clock(*each) for each in known)
        return None if clock.splices else times

    @property
    def in_order(self) -> bool:
        """Whether each packet says when its frame is shown, later than the one before."""
        stamps = [stamp for stamp, _ in self._stamps if stamp is not None]
        return len(stamps) == self.count and all(a < b for a, b in pairwise(stamps))

    def lacks(self, file: Any, stream: Any) -> float:
        """Seconds between the last packet and the declared end, of the stream itself or of the whole file."""
        if file.format.name not in SAYS_DURATION or not self._span:
            return 0.0
        own = self._span.get(stream.index)
        if stream.duration and own and file.format.name != "flv":
            return float(stream.duration * stream.time_base - max(own[1], own[1] - own[0]))
        if not file.duration:
            return 0.0
        begin = min(first for first, _ in self._span.values())
        end = max(last for _, last in self._span.values())
        return float(file.duration / av.time_base - max(end, end - begin))
