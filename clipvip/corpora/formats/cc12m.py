"""CC12M: `cc12m.tsv` (url, tab, caption) without ids or quoting, and optionally `cc12m_val.tsv` in the same form.

The file of a row is `images/{row:08d}.jpg`; rows are lines counted from 0, those of val go on after the last of train.
"""

from collections.abc import Iterator
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Split, find, find_any, lines, places

SOURCE = "alt"
FOLDERS = ("images", "")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
FILES: dict[Split, str] = {"train": "cc12m.tsv", "val": "cc12m_val.tsv"}


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """One clip of one image a row; ValueError names a line without a tab."""
    find(root, FILES["train"])
    before, row = 0, -1
    for split, name in FILES.items():
        path = find_any(root, name)
        for number, line in lines(path) if path else ():  # a blank line has no clip but keeps its number
            columns = line.split("\t", 1)
            if len(columns) < 2:
                raise ValueError(f"{path}: line {number}: no tab between url and caption")
            row = before + number - 1
            files = [f"{row:08d}{ending}" for ending in ENDINGS]
            yield Clip(str(row), split, (columns[1],), places(FOLDERS, files))
        before = row + 1
