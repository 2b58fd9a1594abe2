"""What every reader gives (`Clip`), and how annotation files are opened.

Files as distributed hold byte order marks, mixed line endings, blank lines and no final newline; all of these are taken
as they come. Anything that cannot be understood is a ValueError that names the file and the line.
"""

import csv
import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Split = Literal["train", "val", "test"]

PLACES = ("", "annotations", "annotation")  # below the root, where annotation files are looked for
ENDINGS = (".mp4", ".webm", ".mkv", ".avi", ".mov", ".m4v", ".mpg", ".wmv", ".3gp", ".3g2", ".mts", ".m2ts", ".qt")


@dataclass(frozen=True)
class Media:
    """A place where a clip may lie: a POSIX path below the root, and the stretch of it (seconds)."""

    path: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Clip:
    """One clip as annotated: its texts in order, and where its file may lie, likeliest place first.

    `origin`: the YouTube id of the video it was cut from, where the annotations tell.
    """

    clip_id: str
    split: Split
    texts: tuple[str, ...]
    media: tuple[Media, ...]
    origin: str | None = None


def clean(text: str) -> str:
    """The text without white space at its ends, every run of white space inside as one space."""
    return " ".join(text.split())


def paragraph(sentences: Iterable[str]) -> tuple[str, ...]:
    """The sentences in order as one text, joined by one space; no text where all are empty."""
    joined = " ".join(filter(None, map(clean, sentences)))
    return (joined,) if joined else ()


def places(folders: Iterable[str], names: Iterable[str]) -> tuple[Media, ...]:
    """Every name in every folder, names first; the folder "" is the root itself."""
    names = tuple(names)
    return tuple(Media(f"{folder}/{name}" if folder else name) for folder in folders for name in names)


def find(root: Path, *names: str) -> Path:
    """The first of the named annotation files that is there; ValueError names all that were looked for."""
    found = find_any(root, *names)
    if found is None:
        raise ValueError(f"{root}: no {' or '.join(names)} (nor below {', '.join(filter(None, PLACES))}); check `root`")
    return found


def find_any(root: Path, *names: str) -> Path | None:
    """As `find`, None where there is none."""
    paths = (root / place / name for name in names for place in PLACES)
    return next((path for path in paths if path.is_file()), None)


def lines(path: Path, *, errors: Literal["strict", "replace"] = "strict") -> Iterator[tuple[int, str]]:
    """(number from 1, line without its ending); blank lines are skipped but counted.

    Only LF and CRLF end a line: captions may hold other characters that Python takes for line ends. With
    errors="replace" bytes that are not UTF-8 become U+FFFD and one warning says on how many lines.
    """
    broken, number = 0, 0
    escape = "surrogateescape" if errors == "replace" else "strict"
    with open(path, encoding="utf-8-sig", errors=escape, newline="\n") as file:
        try:
            for number, line in enumerate(file, start=1):
                text = line.rstrip("\r\n")  # no bare strip: it eats an empty last column
                if errors == "replace" and any("\udc80" <= character <= "\udcff" for character in text):
                    broken += 1
                    text = text.encode(errors="surrogateescape").decode(errors="replace")
                if text.strip():
                    yield number, text
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8 after line {number}: {error.reason}") from None
    if broken:
        warnings.warn(f"{path}: {broken} lines are not UTF-8; U+FFFD stands for the broken bytes", stacklevel=2)


def json_file(path: Path) -> Any:
    """The one JSON value of a file; ValueError names the file and the line."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: line {error.lineno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8: {error.reason}") from None


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """(number, value) for each line of a jsonl file; ValueError names the file and the line."""
    for number, line in lines(path):
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: line {number}: not JSON: {error.msg}") from None


def csv_rows(path: Path, *columns: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a comma-separated file with a header that has `columns`; empty rows are skipped."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            header = next(reader, [])
            lost = [column for column in columns if column not in header]
            if lost:
                raise ValueError(f"{path}: no column {', '.join(lost)}; the header is {','.join(header)!r}")
            for row in reader:
                if len(row) > len(header) or 0 < len(row) < len(header):
                    raise ValueError(
                        f"{path}: line {reader.line_num}: {len(row)} columns, the header has {len(header)}"
                    )
                if row:
                    yield reader.line_num, dict(zip(header, row, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: after line {reader.line_num}: {error}") from None


def field(record: Any, key: str, path: Path, place: str) -> Any:
    """`record[key]`; ValueError names the file, the place in it and the key."""
    if not isinstance(record, dict) or record.get(key) is None:
        raise ValueError(f"{path}: {place}: no {key!r}")
    return record[key]
