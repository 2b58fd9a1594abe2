"""Progress bars and the lines of parallel jobs, as a terminal or a log can show them.

In a terminal a bar of tqdm stays what it is. In a log it becomes a line at intervals, and each line begins with whose
it is. Either way, whoever asks is told where the bar stands. The streams do this for every bar: no stage knows of it.
"""

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from clipvip.runtime.legible import MOVES

EVERY = 15.0  # seconds between two lines of a bar in a log
BAR = re.compile(
    r"\r(?:(?P<what>.*?): *)?(?: *\d+%\|.*?\| *)?(?P<done>[\d.]+[kMGT]?)(?:/(?P<of>[\d.]+[kMGT]?))?(?P<unit>\w*)"
    r" \[[\d:]+(?:<(?P<left>[\d:?]+))?, +(?P<speed>[^,\]]+)(?P<rest>, .*)?\] *"
)
Note = Callable[[str], None]  # takes where a bar stands


def _ignore(_: str) -> None:
    """Nobody asks."""


def words(bar: str) -> str | None:
    """What a drawn bar says, in words; None for any other text."""
    found = BAR.fullmatch(bar)
    if found is None:
        return None
    count = f"{found['done']} of {found['of']}" if found["of"] else f"{found['done']} {found['unit']}".rstrip()
    left = f"{found['left']} left" if found["left"] and "?" not in found["left"] else ""
    speed = "" if found["speed"].startswith("?") else found["speed"]
    said = ", ".join(each for each in (count, speed, left, (found["rest"] or "").removeprefix(", ")) if each)
    return f"{found['what']}: {said}" if found["what"] else said


class Lines:
    """A stream whose lines begin with `prefix`, and whose bars are lines at intervals; a terminal's are left alone."""

    def __init__(self, stream: Any, prefix: str = "", note: Note = _ignore, every: float = EVERY) -> None:
        self._stream, self._note, self._every = stream, note, every
        self._plain = not stream.isatty()
        self._prefix = prefix if self._plain else ""
        self._line = ""
        self._drawing = False  # a bar was the last thing that came
        self._since = dict[str, float]()  # what a bar is of -> when it began, or was last shown
        self._told, self._noted = set[str](), 0.0

    def isatty(self) -> bool:
        """Yes, so that bars are drawn: what becomes of them is decided here."""
        return True

    def write(self, text: str) -> int:
        """Take a bar, a move to its line, or text."""
        said = words(text)
        if said is not None:
            self._draw(said, ended=" 100%|" in text or "100%|" in text[:80])
        drawn = said is not None or text.startswith("\r") or MOVES.fullmatch(text)
        if not self._plain:
            self._stream.write(text)
        elif not (drawn and (said is not None or self._drawing) and not self._line):
            self._say(text.removeprefix("\r"))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Each, as `write`."""
        for line in lines:
            self.write(line)

    def _draw(self, said: str, *, ended: bool) -> None:
        """A bar has moved."""
        self._drawing, now = True, time.monotonic()
        what = said.rpartition(": ")[0]
        since = self._since.setdefault(what, now)
        if now - self._noted >= min(2.0, self._every) or ended:
            self._noted = now
            self._note(said)
        if self._plain and (now - since >= self._every or (ended and what in self._told)):
            self._since[what] = now
            self._told.add(what)
            self._stream.write(f"{self._prefix}{said}\n")
            self._stream.flush()
        if ended:
            self._since.pop(what, None)
            self._told.discard(what)

    def _say(self, text: str) -> None:
        """Whole lines, each in one piece, so that those of other processes stay whole too."""
        *lines, self._line = (self._line + text).split("\n")
        if lines:
            self._drawing = False
            self._stream.write("".join(f"{self._prefix}{line}\n" for line in lines))
            self._stream.flush()

    def close_line(self) -> None:
        """Give out what has no end of line yet."""
        if self._line:
            self._say("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def shown(prefix: str = "", note: Note = _ignore) -> Iterator[None]:
    """While the `with` lasts, lines of stdout and stderr begin with `prefix` (not in a terminal), bars are as above."""
    from tqdm import tqdm

    out, error = Lines(sys.stdout, prefix), Lines(sys.stderr, prefix, note)
    before, tqdm.monitor_interval = tqdm.monitor_interval, 0  # its thread must not be there when workers are forked
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            yield
    finally:
        tqdm.monitor_interval = before
        for stream in (out, error):
            stream.close_line()


@contextlib.contextmanager
def told_apart(whose: str, note: Note = _ignore) -> Iterator[None]:
    """`shown` for lines that begin with `whose |`; that of an error, which ends the `with`, begins so too."""
    with shown(f"{whose} | ", note):
        try:
            yield
        except (ValueError, OSError) as error:
            if not sys.__stderr__ or not sys.__stderr__.isatty():
                error.add_note(f"{whose} | ")  # for whoever tells the user of it
            raise
