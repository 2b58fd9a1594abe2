"""A corpus as it is read: annotations of a public format and the media they name, as rows of a manifest, in parts.

Every annotated clip ends in the rows or is named: missing, unreadable, without a text, or a test clip of a downstream
set or of its own. A file is never replaced by another one (facts section 8). Ten million clips need no more memory than
one part and the names of what is missing.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
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
from clipvip.corpora.formats.border import Border
from clipvip.corpora.leakage import Leaks, TestClip
from clipvip.corpora.own_tests import Located, OwnTests, keeps_same_source
from clipvip.data import manifest
from clipvip.data.media.file_header import VideoError, check_header

Reader = Callable[[Path, CorpusSettings, Border], Iterator[Clip]]

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
TESTED = ("msrvtt", "didemo", "lsmdc", "activitynet", "folder")  # the formats with a test split
PART = 1 << 17  # annotated clips at a time


class BadName(Exception):
    """A path that no file below the root can have."""


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

        ValueError for annotation files that cannot be understood, and where they name no clip. A record that cannot be
        understood is set aside (`account.border`), and so is a clip in two splits or places, or whose path leaves the
        root.
        """
        if self.settings.format in SHARDED:
            yield from SHARDED[self.settings.format](str(self.root), self.account, self.leaks)
            return
        root = Path(self.root)
        if not root.is_dir():
            raise ValueError(f"{root}: no such folder; check `root`")
        if self.settings.protocol and self.settings.format not in PROTOCOLS:
            raise ValueError(f"{self.settings.format}: has no `protocol`, yet {self.settings.protocol!r} is given")
        _, source = READERS[self.settings.format]
        read, tests = self._read(root)
        clips = self._not_tests(iter(tqdm(read, desc="corpus", unit="clip", disable=None)), tests)
        # who holds clips out must see all of them
        for part in [clips] if self.settings.holdout else iter(lambda: list(islice(clips, PART)), []):
            rows = _rows(self._found(self._merged(part, root), root, tests), source, self)
            if len(rows):
                yield _hold_out(rows, self.settings)
        if not self.account.named:
            why = f": {self.account.faults()}" if self.account.border.num_aside else ""
            raise ValueError(f"{root}: the annotations name no clip{why}")

    def _read(self, root: Path) -> tuple[Iterable[Clip], OwnTests]:
        """The annotated clips, and the test clips among them: clips for training may stand before those.

        A downstream set is small enough to hold; a folder may not be, so it is read twice.
        """
        reader, _ = READERS[self.settings.format]
        clips: Iterable[Clip] = reader(root, self.settings, self.account.border)
        if self.settings.format not in TESTED:
            return clips, OwnTests()
        clips = clips if self.settings.format == "folder" else list(clips)
        again = clips if isinstance(clips, list) else reader(root, self.settings, Border())
        tests = [clip for clip in again if clip.split == "test"]
        self.account.named_tests = len({clip.clip_id for clip in tests})
        return clips, OwnTests(tests, filter(None, (_locate_quietly(clip, root) for clip in tests)))

    def _not_tests(self, clips: Iterator[Clip], tests: OwnTests) -> Iterator[Clip]:
        """Clips but those for training that have the id of a test clip."""
        for clip in clips:
            leak = tests.is_test(clip)
            if leak is None:
                yield clip
            else:
                self.account.own_tests.append({"clip_id": clip.clip_id, "test": leak.said})

    def _merged(self, clips: Iterable[Clip], root: Path) -> list[Clip]:
        """Clips by id, in order; texts of a repeated id join its first, if both are one clip."""
        merged: dict[str, Clip] = {}
        for clip in clips:
            known = merged.get(clip.clip_id)
            if known is None:
                merged[clip.clip_id] = clip
            elif known.split != clip.split:
                reason = f"is in both {known.split} and {clip.split}; keep one"
                self.account.border.set_aside(root, f"clip {clip.clip_id!r}", reason)
            elif known.media != clip.media:
                both = " and ".join(str(place[0].path) for place in (known.media, clip.media))
                reason = f"lies in two places, {both}; give each its clip_id"
                self.account.border.set_aside(root, f"clip {clip.clip_id!r}", reason)
            else:
                merged[clip.clip_id] = replace(known, texts=(*known.texts, *clip.texts))
        return list(merged.values())

    def _found(self, clips: list[Clip], root: Path, tests: OwnTests) -> Iterator[tuple[Clip, Media]]:
        """Clips with the file they lie in; the others are noted in the account."""
        account = self.account
        for clip in clips:
            try:
                located = _locate(clip, root)
                if located is None:
                    account.missing.append(clip.clip_id)
                elif not self._is_test(*located, tests):
                    if clip.split == "test":
                        self.test_clips.append(TestClip(clip.clip_id, located[1].path, clip.origin or ""))
                    account.found += 1
                    yield located[:2]
            except BadName as error:
                account.border.set_aside(root, f"clip {clip.clip_id!r}", str(error))
            except VideoError as error:
                account.unreadable.append({"clip_id": clip.clip_id, "reason": error.reason})
            except OSError as error:
                account.unreadable.append({"clip_id": clip.clip_id, "reason": error.strerror or str(error)})

    def _is_test(self, clip: Clip, media: Media, path: Path, tests: OwnTests) -> bool:
        """Whether a clip is left out for what it shares with a test clip, which the account then names."""
        leak = self.leaks.named(clip.clip_id, media.path, clip.origin)
        leak = leak or self.leaks.same_content(path.stat().st_size, path.read_bytes)
        if leak is not None:
            self.account.leaked.append({"clip_id": clip.clip_id, "test": leak})
            return True
        own = tests.leak(clip, media, path)
        if own is None:
            return False
        kept = own.how == "source video" and keeps_same_source(self.settings)
        entries = self.account.same_source if kept else self.account.own_tests
        entries.append({"clip_id": clip.clip_id, "test": own.said})
        return not kept


def _locate(clip: Clip, root: Path) -> Located | None:
    """A clip with the first file that can be read; None where no file is there.

    Raises VideoError where files are there and none can be read, BadName for a path that no file can have.
    """
    reasons: list[VideoError] = []
    for media in clip.media:
        inside = _inside(media.path)
        path = root / inside
        try:
            if path.is_file():
                check_header(path)
                return clip, media if inside == media.path else media._replace(path=inside), path
        except VideoError as error:
            reasons.append(error)  # a sound copy under another name may follow
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise BadName(f"names a file of {len(inside):,} characters, more than a file system allows") from None
            reasons.append(VideoError(path, error.strerror or str(error)))
    if reasons:
        raise reasons[0]
    return None


def _locate_quietly(clip: Clip, root: Path) -> Located | None:
    try:
        return _locate(clip, root)
    except (BadName, VideoError):
        return None


def _inside(path: str) -> str:
    """The path as a POSIX path below the root; BadName for one that leaves it: names come from files of others."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\0" in path:
        raise BadName(f"names the file {path[:255]!r}, outside of `root`; correct the annotations")
    return str(parts)


def _rows(kept: Iterable[tuple[Clip, Media]], source: str, reading: Reading) -> pd.DataFrame:
    """A row a text; empty texts are noted in the account. What a clip was cut from is told where clips are tested."""
    names = [*manifest.COLUMNS, *([manifest.CLUSTER] if reading.settings.format in TESTED else [])]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    empty = reading.account.empty
    for clip, media in kept:
        for text in clip.texts or ("",):
            cleaned = clean(text)
            if not cleaned:
                empty[clip.clip_id] = empty.get(clip.clip_id, 0) + 1
                continue
            row = (clip.clip_id, media.path, media.start, media.end, cleaned, source, clip.split)
            for column, value in zip(columns.values(), (*row, clip.origin or media.path), strict=False):
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
