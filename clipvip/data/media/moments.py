"""When frames are shown: one clock for a file, spans of it, and thinning to a rate.

A frame's time is counted in seconds from the first frame that is shown. A span [start, end) holds the frames whose time
lies in it. A rate cuts time into intervals [k / rate, (k + 1) / rate) from the beginning of the file, and keeps the
first frame of each: which frames a rate keeps does not depend on the span, so that a span of a prepared copy holds the
frames that the same span of the original does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Times are compared to a millisecond: Matroska and Flash round them to whole ones. A little more, so that no rounded
# time lies on the border.
TICK = 1.05e-3
JUMP = 10.0  # seconds; in formats that are streamed, a longer step forward is a splice and not a pause


class Clock:
    """Timestamps of a stream in order of presentation -> seconds from its first frame.

    Where they go back (files joined end to end), are missing, or jump in a format that is streamed, time goes on at the
    pace of the stream; `splices` counts how often timestamps did not lead on.
    """

    def __init__(self, unit: float, step: float, *, streamed: bool) -> None:
        """`unit`: seconds of one tick of the timestamps; `step`: seconds of a frame where nothing says so."""
        self._unit, self._step, self._streamed = unit, step, streamed
        self._zero: int | None = None
        self._offset = 0.0
        self.last: float | None = None
        self.end = 0.0  # of the last frame
        self.splices = 0

    def __call__(self, stamp: int | None, duration: int | None) -> float:
        length = duration * self._unit if duration else self._step
        if self._zero is None:
            self._zero = stamp
        if stamp is None or self._zero is None:
            time = self.end
        else:
            time = (stamp - self._zero) * self._unit + self._offset
            if self.last is not None and (
                time <= self.last or (self._streamed and time > max(self.end, self.last) + JUMP)
            ):
                self.splices += 1
                self._offset += self.end - time
                time = self.end
        self.last, self.end = time, time + length
        return time


@dataclass(frozen=True)
class Span:
    """What is asked of a file: the frames with start <= time < end, at most `fps` of them a second; None: no limit."""

    start: float | None = None
    end: float | None = None
    fps: float | None = None

    def past(self, time: float) -> bool:
        """Whether the span has ended."""
        return self.end is not None and time >= self.end - TICK

    def sieve(self) -> "Sieve":
        """Says of one time after the other, from the first of the file on, whether its frame is asked for."""
        return Sieve(self)

    def of(self, times: Sequence[float]) -> list[int]:
        """Which of the frames of a file, given all their times."""
        sieve = self.sieve()
        return [index for index, time in enumerate(times) if sieve(time) and not self.past(time)]

    def __str__(self) -> str:
        rate = f" at {self.fps:.3g} a second" if self.fps else ""
        if self.start is None and self.end is None:
            return f"in the file{rate}"
        return f"from {self.start or 0:g} s to {'its end' if self.end is None else f'{self.end:g} s'}{rate}"


class Sieve:
    """Keeps the first frame of each interval of the rate that lies in the span."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._interval = -1

    def __call__(self, time: float) -> bool:
        first = True
        if self._span.fps:
            interval = math.floor((time + TICK) * self._span.fps)
            first, self._interval = interval > self._interval, max(interval, self._interval)
        return first and (self._span.start is None or time >= self._span.start - TICK)
