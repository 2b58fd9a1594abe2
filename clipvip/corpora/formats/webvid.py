"""WebVid: `results_{2M,10M}_{train,val}.csv`; the column `name` is the alt text."""

from collections.abc import Iterator
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Media, Split, find_any
from clipvip.corpora.formats.border import Border

SOURCE = "alt"
SIZES = ("2M", "10M")
SPLITS: tuple[Split, ...] = ("train", "val")


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """The rows of train, and of val where it is there; where both sizes lie in one folder `protocol` chooses."""
    size = _size(root, settings)
    for split in SPLITS:
        path = find_any(root, f"results_{size}_{split}.csv")
        if path is None:
            continue
        for number, row in border.csv_rows(path, "videoid", "page_dir", "name"):
            video_id, folder = row["videoid"].strip().removesuffix(".0"), row["page_dir"].strip()
            name = f"{folder}/{video_id}.mp4" if folder else f"{video_id}.mp4"
            media = (Media(f"videos/{name}"), Media(name)) if video_id else ()
            yield Clip(video_id or f"{path.name}:{number}", split, (row["name"],), media)


def _size(root: Path, settings: CorpusSettings) -> str:
    if settings.protocol not in (None, *SIZES):
        raise ValueError(f"webvid: protocol {settings.protocol!r} is none of {', '.join(SIZES)}")
    there = [size for size in SIZES if find_any(root, f"results_{size}_train.csv")]
    if settings.protocol in there:
        return settings.protocol
    if settings.protocol or not there:
        raise ValueError(f"{root}: no results_{settings.protocol or '2M'}_train.csv; check `root` and `protocol`")
    if len(there) > 1:
        raise ValueError(f"{root}: holds {' and '.join(there)}; choose one by `protocol`")
    return there[0]
