"""LSMDC 2016: tab-separated files named .csv, without a header and without quoting; one sentence a row.

Test is the 1000-clip file of the retrieval challenge. Clips are cut files already; a clip may have several sentences.
"""

from collections.abc import Iterator
from pathlib import Path

from clipvip.config import CorpusSettings
from clipvip.corpora.annotation import Clip, Split, find, lines, places

SOURCE = "caption"
FOLDERS = ("videos", "", "clips")
FILES: dict[Split, tuple[str, ...]] = {
    "train": ("LSMDC16_annos_training.csv",),
    "val": ("LSMDC16_annos_val.csv",),
    "test": ("LSMDC16_challenge_1000_publictect.csv", "LSMDC16_challenge_1000_publictest.csv"),
}


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """The rows of the three files; ValueError names a row with too few columns. Repeated ids come repeatedly."""
    for split, names in FILES.items():
        path = find(root, *names)
        for number, line in lines(path, errors="replace"):
            columns = line.split("\t")  # no csv: sentences hold unbalanced quotes
            if len(columns) < 5:
                raise ValueError(f"{path}: line {number}: {len(columns)} columns, not 6 (tab-separated)")
            clip_id = columns[0].strip()
            movie = clip_id.rsplit("_", 1)[0]
            # the id holds dots, so the ending is added as text
            files = (f"{movie}/{clip_id}.avi", f"{movie}/{clip_id}.mp4", f"{clip_id}.avi", f"{clip_id}.mp4")
            yield Clip(clip_id, split, (" ".join(columns[5:]),), places(FOLDERS, files))
