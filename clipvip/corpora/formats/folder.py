"""A plain folder of videos or images with a csv: columns path and text, and if wanted split, start, end and clip_id.

The csv is `annotations.csv`, or one a split as the setting `annotations` names them. A row is a text; rows of one clip
are those with the same clip_id, or without one the same file and stretch (seconds).
"""

import math
from collections.abc import Iterator
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Media, Split, csv_rows, find

SOURCE = "caption"
NAME = "annotations.csv"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Row = dict[str, str]


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """A clip a row; ValueError names a row without a file, or of an unknown split."""
    for path, split in _files(root, settings):
        for number, row in csv_rows(path, "path", "text"):
            where = f"{path}: line {number}"
            media = _media(row, where)
            stretch = (
                "" if media.start is None and media.end is None else f"@{_second(media.start)}-{_second(media.end)}"
            )
            clip_id = row.get("clip_id") or f"{media.path}{stretch}"
            yield Clip(clip_id, split or _split(row, where), (row["text"],), (media,))


def _files(root: Path, settings: CorpusSettings) -> list[tuple[Path, Split | None]]:
    if settings.annotations:
        return [(find(root, name), split) for split, name in settings.annotations.items()]
    return [(find(root, NAME), None)]


def _media(row: Row, where: str) -> Media:
    if not row["path"]:
        raise ValueError(f"{where}: no path")
    start, end = (_seconds(row, name, where) for name in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"{where}: end {end:g} s is not after start {start or 0.0:g} s")
    return Media(row["path"], start, end)


def _seconds(row: Row, name: str, where: str) -> float | None:
    word = row.get(name, "").strip()
    if not word:
        return None
    try:
        seconds = float(word)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{where}: {name} {word!r} is no number of seconds")
    return seconds


def _second(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:g}"


def _split(row: Row, where: str) -> Split:
    named = row.get("split", "").strip() or "train"
    for split in SPLITS:
        if split == named:
            return split
    raise ValueError(f"{where}: split {named!r} is none of {', '.join(SPLITS)}")
