"""Text of others (ids, titles, paths, captions) as a terminal, a log or a table may show it: short, and harmless.

Whatever the commands print passes through `guarded`, so that a title that holds terminal escapes is shown, not obeyed.
"""

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

FEW = 5  # names in a line
LONG = 120  # characters of a name
# Control characters but tab and line feed, what sets the direction of writing, other line ends, halves of surrogates.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOVES = re.compile("(\n|\x1b\\[A)+")  # what tqdm sends alone to go to the line of a bar


def visible(text: str) -> str:
    """The text with what a terminal would obey written as an escape of Python."""
    return UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def brief(name: str, most: int = LONG) -> str:
    """At most so many characters of a name."""
    return name if len(name) <= most else f"{name[: most // 2]}...{name[-most // 3 :]}"


def short(names: Sequence[str], count: int | None = None, *, most: int = LONG) -> str:
    """The first few names, each of at most `most` characters; how many more there are of `count`."""
    count = len(names) if count is None else count
    said = ", ".join(brief(name, most) for name in names[:FEW])
    return f"{said}, ... ({count - FEW:,} more)" if count > FEW else said


def cell(text: str) -> str:
    """The text for a table that a spreadsheet may open: what it would run as a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA) else text


class Legible:
    """A stream that shows what a terminal would obey; all else is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it `visible`; a carriage return that begins a bar of tqdm, and moves to its line, go through."""
        if MOVES.fullmatch(text):
            self._stream.write(text)
        else:
            head, rest = ("\r", text[1:]) if text.startswith("\r") else ("", text)
            self._stream.write(head + visible(rest.replace("\r\n", "\n")))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Each `visible`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """While the `with` lasts, what goes to stdout and stderr is legible."""
    with (
        contextlib.redirect_stdout(Legible(sys.stdout)),
        contextlib.redirect_stderr(Legible(sys.stderr)),
    ):
        yield
