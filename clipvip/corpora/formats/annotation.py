"""What every reader gives (`Clip`), and where its files are looked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Split = Literal["train", "val", "test"]

PLACES = ("", "annotations", "annotation")  # below the root, where annotation files are looked for
ENDINGS = (".mp4", ".webm", ".mkv", ".avi", ".mov", ".m4v", ".mpg", ".wmv", ".3gp", ".3g2", ".mts", ".m2ts", ".qt")


class Media(NamedTuple):
    """A place where a clip may lie: a POSIX path below the root, and the stretch of it (seconds)."""

    path: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Clip:
    """One clip as annotated: its texts in order, and where its file may lie, likeliest place first.

    `origin`: the video it was cut from (YouTube id, film), where the annotations tell; `cut`: from which stretch of it
    (seconds).
    """

    clip_id: str
    split: Split
    texts: tuple[str, ...]
    media: tuple[Media, ...]
    origin: str | None = None
    cut: tuple[float, float] | None = None


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
