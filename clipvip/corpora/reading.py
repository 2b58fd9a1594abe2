"""A corpus as it is read: annotations of a public format and the media they name, as rows of a manifest, in parts.

Every annotated clip ends in the rows or is named: missing, unreadable, without a text, or a test clip of a downstream
set. A file is never replaced by another one (facts section 8). Ten million clips need no more memory than one part and
the names of what is missing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from tqdm import tqdm

from clipvip.config.data import CorpusSettings, Format
from clipvip.corpora import webdataset
from clipvip.corpora.account import Account
from clipvip.corpora.formats import activitynet, cc12m, coco, didemo, folder, hdvila, lsmdc, msrvtt, webvid
from clipvip.corpora.formats.annotation import Clip, Media, clean
from clipvip.corpora.leakage import Leaks, TestClip
from clipvip.data import manifest
from clipvip.data.media.file_header import VideoError, check_header

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
SHARDED: dict[Format, Callable[[str, Account, Leaks], Iterator[pd.DataFrame]]] = {"webdataset": webdataset.parts}
PROTOCOLS = ("msrvtt", "webvid")  # the formats with a choice of protocol
PART = 1 << 17  # annotated clips at a time


@dataclass
class Reading:
    """One corpus below `root` (webdataset: a folder or URL); account and test clips fill as `parts` goes on."""

    settings: CorpusSettings
    root: Path | str
    leaks: Leaks = field(default_factory=Leaks)
    account: Account = field(default_factory=Account)
    test_clips: list[TestClip] = field(default_factory=list)

    def parts(self) -> Iterator[pd.DataFrame]:
        """Rows of the manifest, never none at a time.

        ValueError for annotations that cannot be understood, a clip in two splits or places, or a path that leaves
        the root.
        """
        if self.settings.format in SHARDED:
            yield from SHARDED[self.settings.format](str(self.root), self.account, self.leaks)
            return
        root = Path(self.root)
        if not root.is_dir():
            raise ValueError(f"{root}: no such folder; check `root`")
        if self.settings.protocol and self.settings.format not in PROTOCOLS:
            raise ValueError(f"{self.settings.format}: has no `protocol`, yet {self.settings.protocol!r} is given")
        reader, source = READERS[self.settings.format]
        clips = iter(tqdm(reader(root, self.settings), desc="corpus", unit="clip", disable=None))
        # who holds clips out must see all of them
        for part in [clips] if self.settings.holdout else iter(lambda: list(islice(clips, PART)), []):
            rows = _rows(self._found(_merged(part, root), root), source, self.account)
            if len(rows):
                yield _hold_out(rows, self.settings)
        if not self.account.named:
            raise ValueError(f"{root}: the annotations name no clip")

    def _found(self, clips: list[Clip], root: Path) -> Iterator[tuple[Clip, Media]]:
        """Clips with the file they lie in; those without, or whose file cannot be read, are noted in the account."""
        for clip in clips:
            reasons: list[str] = []
            for media in clip.media:
                try:
                    path = root / _inside(media.path, clip.clip_id, root)
                    if path.is_file():
                        check_header(path)
                        break
                except VideoError as error:
                    reasons.append(error.reason)  # a sound copy under another name may follow
            else:
                if reasons:
                    self.account.unreadable.append({"clip_id": clip.clip_id, "reason": reasons[0]})
                else:
                    self.account.missing.append(clip.clip_id)
                continue
            leak = self.leaks.named(clip.clip_id, media.path, clip.origin)
            leak = leak or self.leaks.same_content(path.stat().st_size, path.read_bytes)
            if leak is not None:
                self.account.leaked.append({"clip_id": clip.clip_id, "test": leak})
                continue
            if clip.split == "test":
                self.test_clips.append(TestClip(clip.clip_id, media.path, clip.origin or ""))
            self.account.found += 1
            yield clip, media


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
        merged[clip.clip_id] = Clip(clip.clip_id, clip.split, texts, clip.media, clip.origin)
    return list(merged.values())


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
