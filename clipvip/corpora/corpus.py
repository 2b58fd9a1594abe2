"""The corpus stage: annotations of a public format and the media they name become one manifest, with an account.

Every annotated clip ends in the manifest or is named: missing, unreadable, or without a text. A file is never replaced
by another one (facts section 8). Annotations are read in parts, so that ten million clips need no more memory than one
part and the names of what is missing.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from clipvip import checksums, manifest
from clipvip.config import CorpusSettings, Format
from clipvip.corpora import activitynet, cc12m, coco, didemo, folder, hdvila, lsmdc, msrvtt, webdataset, webvid
from clipvip.corpora.account import Account
from clipvip.corpora.annotation import Clip, Media, clean
from clipvip.headers import VideoError, check_header
from clipvip.ids import Ids
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
PART = 1 << 17  # annotated clips at a time


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
    account, clips = Account(), iter(tqdm(reader(root, settings), desc="corpus", unit="clip", disable=None))
    with manifest.Writer(out, root=root, format=settings.format, max_bad=settings.max_bad) as table:
        for part in [clips] if settings.holdout else _parts(clips):  # who holds clips out must see all of them
            rows = _rows(_find_media(_merged(part, root), root, account), source, account)
            if len(rows):
                table.add(_hold_out(rows, settings))
        account.stop_if_too_many(allowed=settings.max_bad, where=root)
        if not account.found and not account.missing and not account.unreadable:
            raise ValueError(f"{root}: the annotations name no clip")
        if table.empty:
            raise ValueError(f"{root}: no clip has both a file and a text")
    if settings.checksums:
        paths = Ids.distinct(pa.chunked_array([batch["path"] for batch in manifest.scan(out, ["path"])]))
        progress = tqdm(paths, desc="sha256", unit="file", disable=None)
        checksums.write({path: checksums.of(root / path) for path in progress}, out)
    return account.facts(out)


def _parts(clips: Iterator[Clip]) -> Iterator[Iterable[Clip]]:
    yield from iter(lambda: list(islice(clips, PART)), [])


def _merged(clips: Iterable[Clip], root: Path) -> list[Clip]:
    """Clips by id, in order; texts of a repeated id join its first. ValueError for an id in two splits or places."""
    merged: dict[str, Clip] = {}
    for clip in clips:
        known = merged.get(clip.clip_id)
        if known and known.split != clip.split:
            raise ValueError(f"{root}: clip {clip.clip_id!r} is in both {known.split} and {clip.split}")
        if known and known.media != clip.media:
            both = " and ".join(str(place[0].path) for place in (known.media, clip.media))
            raise ValueError(f"{root}: clip {clip.clip_id!r} lies in two places, {both}; give each its clip_id")
        texts = (*known.texts, *clip.texts) if known else clip.texts
        merged[clip.clip_id] = Clip(clip.clip_id, clip.split, texts, clip.media)
    return list(merged.values())


def _find_media(clips: list[Clip], root: Path, account: Account) -> Iterator[tuple[Clip, Media]]:
    """Clips with the file they lie in; those without, or whose file cannot be read, are noted in the account."""
    for clip in clips:
        reasons: list[str] = []
        for media in clip.media:
            try:
                path = root / _inside(media.path, clip.clip_id, root)
                if path.is_file():
                    check_header(path)
                    account.found += 1
                    yield clip, media
                    break
            except VideoError as error:
                reasons.append(error.reason)  # a sound copy under another name may follow
        else:
            if reasons:
                account.unreadable.append({"clip_id": clip.clip_id, "reason": reasons[0]})
            else:
                account.missing.append(clip.clip_id)


def _inside(path: str, clip_id: str, root: Path) -> str:
    """The path, if it stays below the root; ValueError otherwise: names come from files of others."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "//" in path or "\0" in path:
        raise ValueError(
            f"{root}: clip {clip_id!r} names the file {path!r}, outside of `root`; correct the annotations"
        )
    return path


def _rows(kept: Iterable[tuple[Clip, Media]], source: str, account: Account) -> pd.DataFrame:
    """A row a text; empty texts are noted in the account."""
    columns: dict[str, list[Any]] = {name: [] for name in manifest.COLUMNS}
    for clip, media in kept:
        for text in clip.texts or ("",):
            cleaned = clean(text)
            if not cleaned:
                account.empty[clip.clip_id] = account.empty.get(clip.clip_id, 0) + 1
                continue
            row = (clip.clip_id, media.path, media.start, media.end, cleaned, source, clip.split)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return pd.DataFrame(columns)


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
