"""A plain folder of videos or images with a csv: columns path and text, and if wanted split, start, end, clip_id and
source_video (the longer video, by any name, that several files were cut from).

The csv is `annotations.csv`, or one a split as the setting `annotations` names them. A row is a text; rows of one clip
are those with the same clip_id, or without one the same file and stretch (seconds).
"""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Media, Split, find
from clipvip.corpora.formats.border import Border

SOURCE = "caption"
NAME = "annotations.csv"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Row = dict[str, str]


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """A clip a row; a row without a file, of an unknown split or with a stretch that is none is set aside."""
    for path, split in _files(root, settings):
        for number, row in border.csv_rows(path, "path", "text"):
            try:
                yield _clip(row, split)
            except ValueError as error:
                border.set_aside(path, f"line {number}", str(error))


def _files(root: Path, settings: CorpusSettings) -> list[tuple[Path, Split | None]]:
    if settings.annotations:
        return [(find(root, name), split) for split, name in settings.annotations.items()]
    return [(find(root, NAME), None)]


def _clip(row: Row, split: Split | None) -> Clip:
    """The clip of a row; ValueError says what is wrong with it."""
    if not row["path"]:
        raise ValueError("no path")
    path = row["path"]
    if path.startswith("./") or "/./" in path or "//" in path:  # another way to write the same name
        path = str(PurePosixPath(path))
    start, end = _seconds(row, "start"), _seconds(row, "end")
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"end {end:g} s is not after start {start or 0.0:g} s")
    stretch = "" if start is None and end is None else f"@{_second(start)}-{_second(end)}"
    origin = row.get("source_video", "").strip() or None
    clip_id = row.get("clip_id") or f"{path}{stretch}"
    return Clip(clip_id, split or _split(row), (row["text"],), (Media(path, start, end),), origin)


def _seconds(row: Row, name: str) -> float | None:
    word = row.get(name, "").strip()
    if not word:
        return None
    try:
        seconds = float(word)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} {word[:80]!r} is no number of seconds")
    return seconds


def _second(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:g}"


def _split(row: Row) -> Split:
    named = row.get("split", "").strip() or "train"
    for split in SPLITS:
        if split == named:
            return split
    raise ValueError(f"split {named[:80]!r} is none of {', '.join(SPLITS)}")
