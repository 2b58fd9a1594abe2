"""CC12M: `cc12m.tsv` (url, tab, caption) without ids or quoting, and optionally `cc12m_val.tsv` in the same form.

The file of a row is `images/{row:08d}.jpg`; rows are lines counted from 0, those of val go on after the last of train.
A header is no row: the image of the line below it is the first.
"""

from collections.abc import Iterator
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Split, find, find_any, places
from clipvip.corpora.formats.border import LONGEST, Border
from clipvip.corpora.formats.text_files import NOT_UTF8, decoded

SOURCE = "alt"
FOLDERS = ("images", "")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
FILES: dict[Split, str] = {"train": "cc12m.tsv", "val": "cc12m_val.tsv"}
HEADS = ({"url", "image_url", "image url", "link", "image"}, {"caption", "text", "title", "alt", "alt_text"})


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """One clip of one image a row; a line without a tab is set aside, and keeps its number."""
    find(root, FILES["train"])
    before = 0
    for split, name in FILES.items():
        path, last, first = find_any(root, name), 0, 1
        for number, ended, sound in decoded(path) if path else ():
            line = ended.rstrip("\r\n")
            if not line or line.isspace():  # a blank line has no clip but keeps its number
                continue
            columns, last = line.split("\t", 1), number
            if number == 1 and is_header(columns):
                first = 2
                continue
            border.records += 1
            fault = _fault(columns) if sound else NOT_UTF8
            if fault:
                border.set_aside(str(path), f"line {number}", fault)
                continue
            row = before + number - first
            files = [f"{row:08d}{ending}" for ending in ENDINGS]
            yield Clip(str(row), split, (columns[1],), places(FOLDERS, files))
        before += max(0, last - first + 1)


def is_header(columns: list[str]) -> bool:
    """Whether the first line names its columns."""
    return len(columns) == 2 and all(word.strip().lower() in names for word, names in zip(columns, HEADS, strict=True))


def _fault(columns: list[str]) -> str:
    if len(columns) < 2:
        return "no tab between url and caption"
    if "://" in columns[1][:8] and "://" not in columns[0]:
        return "caption and url stand in the other order; exchange the columns"
    return f"a caption of {len(columns[1]):,} characters, {LONGEST:,} are read" if len(columns[1]) > LONGEST else ""
