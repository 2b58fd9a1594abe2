"""LSMDC 2016: tab-separated files named .csv, without a header and without quoting; one sentence a row.

Test is the 1000-clip file of the retrieval challenge. Clips are cut files already; a clip may have several sentences.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats import authors
from clipvip.corpora.formats.annotation import Clip, Media, Split, find, lines, places

SOURCE = "caption"
FOLDERS = ("videos", "", "clips")
FILES: dict[Split, tuple[str, ...]] = {
    "train": (annotation_files.LSMDC_TRAIN,),
    "val": (annotation_files.LSMDC_VAL,),
    "test": (annotation_files.LSMDC_TEST, "LSMDC16_challenge_1000_publictest.csv"),
}


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """The rows of the three files; ValueError names a row with too few columns. Repeated ids come repeatedly."""
    if settings.annotations:
        for clip in authors.read(root, settings, media):
            yield replace(clip, clip_id=_bare(clip.clip_id))
        return
    for split, names in FILES.items():
        path = find(root, *names)
        for number, line in lines(path, errors="replace"):
            columns = line.split("\t")  # no csv: sentences hold unbalanced quotes
            if len(columns) < 5:
                raise ValueError(f"{path}: line {number}: {len(columns)} columns, not 6 (tab-separated)")
            clip_id = columns[0].strip()
            yield Clip(clip_id, split, (" ".join(columns[5:]),), media(clip_id))


def media(clip_id: str) -> tuple[Media, ...]:
    """Where a clip may lie; its id may name the movie's folder."""
    bare = _bare(clip_id)
    movie = bare.rsplit("_", 1)[0]
    # the id holds dots, so the ending is added as text
    return places(FOLDERS, (f"{movie}/{bare}.avi", f"{movie}/{bare}.mp4", f"{bare}.avi", f"{bare}.mp4"))


def _bare(clip_id: str) -> str:
    return clip_id.rsplit("/", 1)[-1]
