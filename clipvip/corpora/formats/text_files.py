"""Annotation files as text, whatever their bytes: lines, rows of a csv, one JSON value.

Byte order marks, mixed line endings, blank lines and a missing final newline are taken as they come. A file that is no
text in UTF-8 as a whole is a ValueError that names it and what to do; a line that is none is marked, for its record to
be set aside.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
HEAD = 512  # bytes from which a file is known
MOST_LINES = 100  # that one row of a csv may span: beyond, a quote was never closed
NOT_UTF8 = "not UTF-8; save the file as UTF-8"
KINDS = {  # first bytes of files that are no text -> what they are, and what to do
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"version https://git-lfs": "a pointer of Git LFS, not the file; fetch the file itself",
}


class Repeated:
    """What stands in place of a value whose key an object has twice, with different values: none of them holds."""


def check(path: Path) -> None:
    """ValueError for a file that cannot be opened or, by its first bytes, is no text in UTF-8."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise ValueError(f"{path}: cannot be opened: {error.strerror}") from None
    for mark, what in KINDS.items():
        if head.startswith(mark):
            raise ValueError(f"{path}: {what}")
    if b"\0" in head:
        raise ValueError(f"{path}: holds zero bytes: UTF-16 or no text; save it as UTF-8")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ValueError(f"{path}: a web page, not the annotations; download the file again")


def decoded(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(number from 1, line with its ending, whether it is UTF-8); other bytes become lone surrogates.

    Only LF and CRLF end a line: captions may hold other characters that Python takes for line ends.
    """
    check(path)
    with open(path, "rb") as file:
        for number, raw in enumerate(file, start=1):
            line = raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw
            try:
                yield number, line.decode(), True
            except UnicodeDecodeError:
                yield number, line.decode(errors="surrogateescape"), False


def text_of(path: Path) -> str:
    """The whole file; bytes that are not UTF-8 become lone surrogates, which no check of a text passes."""
    check(path)
    return path.read_bytes().removeprefix(BYTE_ORDER_MARK).decode(errors="surrogateescape")


def json_value(text: str) -> Any:
    """The JSON value; of a key that stands twice with different values neither holds (`Repeated`).

    ValueError says why there is none, never another exception.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None
    except ValueError:  # a number of thousands of digits
        raise ValueError("not JSON that can be read: a number has too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if not _same(found[key], value):
                found[key] = Repeated()
    return found


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except RecursionError:
        return False


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


class UnclosedQuote(Exception):
    """A row of a csv that spans too many lines."""


class RowLines:
    """Lines as `csv.reader` takes them; `row` holds those of the row at hand, so that it can be begun anew."""

    def __init__(self, lines: Iterable[tuple[int, str, bool]]) -> None:
        self._lines = iter(lines)
        self._again: deque[tuple[int, str, bool]] = deque()
        self.row: list[tuple[int, str, bool]] = []
        self.ended = False  # the reader asked for a line after the last one

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.row.append(line)
        if len(self.row) > MOST_LINES:
            raise UnclosedQuote
        return line[1]

    def skip_line(self) -> None:
        """Give up the first line of the row at hand; the others come again."""
        self._again.extendleft(reversed(self.row[1:]))
        self.ended = False
