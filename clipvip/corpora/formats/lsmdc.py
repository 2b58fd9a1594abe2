"""LSMDC 2016: tab-separated files named .csv, without a header and without quoting; one sentence a row.

Test is the 1000-clip file of the retrieval challenge. Clips are cut files already; a clip may have several sentences.
The id of a clip says which film it was cut from, and where: `1001_A_Film_00.01.02.500-00.01.05.000`.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats import authors
from clipvip.corpora.formats.annotation import Clip, Media, Split, find, places
from clipvip.corpora.formats.border import LONGEST, Border

SOURCE = "caption"
FOLDERS = ("videos", "", "clips")
FILES: dict[Split, tuple[str, ...]] = {
    "train": (annotation_files.LSMDC_TRAIN,),
    "val": (annotation_files.LSMDC_VAL,),
    "test": (annotation_files.LSMDC_TEST, "LSMDC16_challenge_1000_publictest.csv"),
}
TIME = r"(\d{1,2})\.(\d{1,2})\.(\d{1,2})\.(\d{1,3})"
ID = re.compile(rf"(.+)_{TIME}-{TIME}", re.ASCII)


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """The rows of the three files; one with too few columns is set aside. Repeated ids come repeatedly."""
    if settings.annotations:
        for clip in authors.read(root, settings, media, border):
            bare = _bare(clip.clip_id)
            yield replace(clip, clip_id=bare, **_cut(bare))
        return
    for split, names in FILES.items():
        path = find(root, *names)
        for number, line in border.lines(path, repair=True):
            columns = line.split("\t")  # no csv: sentences hold unbalanced quotes
            clip_id, fault = columns[0].strip(), ""
            if len(columns) < 5:
                fault = f"{len(columns)} columns, not 6 (tab-separated)"
            elif not clip_id:
                fault = "no id"
            elif len(line) > LONGEST:
                fault = f"{len(line):,} characters, {LONGEST:,} are read"
            if fault:
                border.set_aside(path, f"line {number}", fault)
            else:
                yield Clip(clip_id, split, (" ".join(columns[5:]),), media(clip_id), **_cut(clip_id))


def media(clip_id: str) -> tuple[Media, ...]:
    """Where a clip may lie; its id may name the movie's folder."""
    bare = _bare(clip_id)
    movie = bare.rsplit("_", 1)[0]
    # the id holds dots, so the ending is added as text
    return places(FOLDERS, (f"{movie}/{bare}.avi", f"{movie}/{bare}.mp4", f"{bare}.avi", f"{bare}.mp4"))


def _bare(clip_id: str) -> str:
    return clip_id.rsplit("/", 1)[-1]


def _cut(clip_id: str) -> dict[str, Any]:
    """The film of a clip, and from which second to which it was cut; nothing where the id does not tell."""
    match = ID.fullmatch(clip_id)
    if match is None:
        return {}
    film, *times = match.groups()
    begin, end = (
        3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(thousandths) / 1000
        for hours, minutes, seconds, thousandths in (times[:4], times[4:])
    )
    return {"origin": film, "cut": (begin, end) if begin < end else None}
