"""The corpus stage: annotations of a public format and the media they name become one manifest, with an account.

Every annotated clip ends in the manifest or is named: missing, unreadable, or without a text. A file is never replaced
by another one (facts section 8).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from tqdm import tqdm

from clipvip import checksums, manifest
from clipvip.config import CorpusSettings, Format
from clipvip.corpora import activitynet, cc12m, coco, didemo, folder, hdvila, lsmdc, msrvtt, webdataset, webvid
from clipvip.corpora.annotation import Clip, Media, clean
from clipvip.headers import VideoError, check_header
from clipvip.run import Run

Reader = Callable[[Path, CorpusSettings], Iterator[Clip]]

READERS: dict[Format, tuple[Reader, str]] = {
    "cc12m": (cc12m.read, cc12m.SOURCE),
    "coco": (coco.read, coco.SOURCE),
    "hdvila": (hdvila.read, hdvila.SOURCE),
    "webvid": (webvid.read, webvid.SOURCE),
    "msrvtt": (msrvtt.read, msrvtt.SOURCE),
    "didemo": (didemo.read, didemo.SOURCE),
    "lsmdc": (lsmdc.read, lsmdc.SOURCE),
    "activitynet": (activitynet.read, activitynet.SOURCE),
    "folder": (folder.read, folder.SOURCE),
}
PROTOCOLS = ("msrvtt", "webvid")  # the formats with a choice of protocol
NAMED = 50  # names of a kind in the receipt


def make(settings: CorpusSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """Read the corpus at `settings.root` or `inputs["world"]` into `out/manifest.parquet`.

    Raises ValueError for annotations that cannot be understood, a clip in two splits, a path that leaves the root, or
    more missing and unreadable clips than `max_bad`.
    """
    if settings.format == "webdataset":
        return webdataset.make(settings, out)
    root = inputs["world"] if settings.root is None else Path(settings.root).expanduser()
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; check `root`")
    if settings.protocol and settings.format not in PROTOCOLS:
        raise ValueError(f"{settings.format}: has no `protocol`, yet {settings.protocol!r} is given")
    reader, source = READERS[settings.format]
    clips = _merged(reader(root, settings), root)
    kept, missing, unreadable = _find_media(clips, root)
    bad = [*missing, *(entry["clip_id"] for entry in unreadable)]
    manifest.stop_if_too_many(bad, len(clips), allowed=settings.max_bad, where=root)
    rows, empty = _rows(kept, source)
    if rows.empty:
        raise ValueError(f"{root}: no clip has both a file and a text")
    rows = _hold_out(rows, settings)
    if settings.checksums:
        kept_files = dict.fromkeys(rows["path"])
        progress = tqdm(kept_files, desc="sha256", unit="file", disable=None)
        checksums.write({path: checksums.of(root / path) for path in progress}, out)
    manifest.write(rows, out, root=root, format=settings.format, max_bad=settings.max_bad)
    by_split = rows.groupby("split", sort=False)["clip_id"].agg(clips="nunique", texts="size")
    return {
        "clips": int(rows["clip_id"].nunique()),
        "texts": len(rows),
        "splits": {str(row.Index): {"clips": int(row.clips), "texts": int(row.texts)} for row in by_split.itertuples()},
        "found": len(kept),
        "missing": missing[:NAMED],
        "num_missing": len(missing),
        "unreadable": unreadable[:NAMED],
        "num_unreadable": len(unreadable),
        "empty_texts": sum(empty.values()),
        "empty_text_ids": list(empty)[:NAMED],
    }


def _merged(clips: Iterable[Clip], root: Path) -> list[Clip]:
    """Clips by id, in order; texts of a repeated id join its first. ValueError for none, or an id in two splits."""
    merged: dict[str, Clip] = {}
    for clip in clips:
        known = merged.get(clip.clip_id)
        if known and known.split != clip.split:
            raise ValueError(f"{root}: clip {clip.clip_id!r} is in both {known.split} and {clip.split}")
        texts = (*known.texts, *clip.texts) if known else clip.texts
        merged[clip.clip_id] = Clip(clip.clip_id, clip.split, texts, known.media if known else clip.media)
    if not merged:
        raise ValueError(f"{root}: the annotations name no clip")
    return list(merged.values())


def _find_media(clips: list[Clip], root: Path) -> tuple[list[tuple[Clip, Media]], list[str], list[dict[str, str]]]:
    """Clips with the file they lie in; ids of those without any; {clip_id, reason} of those that cannot be read."""
    kept: list[tuple[Clip, Media]] = []
    missing: list[str] = []
    unreadable: list[dict[str, str]] = []
    for clip in tqdm(clips, desc="corpus", unit="clip", disable=None):
        reasons: list[str] = []
        for media in clip.media:
            try:
                path = root / _inside(media.path, clip.clip_id, root)
                if path.is_file():
                    check_header(path)
                    kept.append((clip, media))
                    break
            except VideoError as error:
                reasons.append(error.reason)  # a sound copy under another name may follow
        else:
            if reasons:
                unreadable.append({"clip_id": clip.clip_id, "reason": reasons[0]})
            else:
                missing.append(clip.clip_id)
    return kept, missing, unreadable


def _inside(path: str, clip_id: str, root: Path) -> str:
    """The path, if it stays below the root; ValueError otherwise: names come from files of others."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "//" in path or "\0" in path:
        raise ValueError(
            f"{root}: clip {clip_id!r} names the file {path!r}, outside of `root`; correct the annotations"
        )
    return path


def _rows(kept: list[tuple[Clip, Media]], source: str) -> tuple[pd.DataFrame, Counter[str]]:
    """A row a text, and how many texts of which clips were empty (a clip without any text counts one)."""
    columns: dict[str, list[Any]] = {name: [] for name in manifest.COLUMNS}
    empty: Counter[str] = Counter()
    for clip, media in kept:
        for text in clip.texts or ("",):
            cleaned = clean(text)
            if not cleaned:
                empty[clip.clip_id] += 1
                continue
            row = (clip.clip_id, media.path, media.start, media.end, cleaned, source, clip.split)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return pd.DataFrame(columns), empty


def _hold_out(rows: pd.DataFrame, settings: CorpusSettings) -> pd.DataFrame:
    """`holdout` clips of train become val; ValueError where the corpus has a val split of its own."""
    if not settings.holdout:
        return rows
    if (rows["split"] == "val").any():
        raise ValueError(f"{settings.format}: has a val split, yet `holdout` is {settings.holdout}; set it to 0")
    train = rows.loc[rows["split"] == "train", "clip_id"].unique().tolist()
    if settings.holdout >= len(train):
        raise ValueError(f"{settings.format}: `holdout` is {settings.holdout}, there are {len(train)} clips in train")
    held = manifest.subset(train, settings.holdout, seed=settings.holdout_seed)
    return rows.assign(split=rows["split"].mask(rows["clip_id"].isin(held), "val"))
