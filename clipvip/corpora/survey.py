"""One corpus counted without being made: what its annotations name and what lies there, no video decoded."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt64

from clipvip.config.data import CorpusSettings
from clipvip.corpora import reference_counts
from clipvip.corpora.account import NAMED, Account
from clipvip.corpora.leakage import Leaks, TestClip
from clipvip.corpora.reading import Reading
from clipvip.corpora.reference_counts import Counts
from clipvip.data.media import checksums
from clipvip.runtime.legible import FEW

SPLITS = ("train", "val", "test")
Pairs = UInt64[np.ndarray, "rows 2"]  # hash of the clip's id, hash of the text


@dataclass
class Split:
    """Found and expected counts."""

    videos: int
    texts: int
    shared: int  # texts that several videos have
    expected: Counts

    @property
    def differs(self) -> bool:
        """From what is expected, where something is."""
        pairs = zip((self.videos, self.texts), self.expected, strict=True)
        return any(wanted is not None and found != wanted for found, wanted in pairs)


@dataclass
class Survey:
    """What is found of one corpus."""

    name: str
    splits: dict[str, Split] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    duplicates: list[list[str]] | None = None  # files of the same content; None: not known
    root: Path | str = ""
    test_clips: list[TestClip] = field(default_factory=list)
    error: str | None = None  # why it cannot be read
    absent: str | None = None  # a generated corpus that was not made yet

    def facts(self) -> dict[str, Any]:
        """For JSON; of names at most NAMED of a kind."""
        account = self.account
        missing = {"missing": account.missing, "unreadable": account.unreadable, "leaked": account.leaked}
        own = {"own_tests": account.own_tests, "same_source": account.same_source}
        copies = None if self.duplicates is None else [group[:FEW] for group in self.duplicates]
        kinds: dict[str, Any] = {**missing, **own, "empty": list(account.empty), "duplicates": copies}
        border = account.border
        return {
            "splits": {name: asdict(split) for name, split in self.splits.items()},
            **{kind: _first(names) for kind, names in kinds.items()},
            "set_aside": {"count": border.num_aside, "records": border.records, "first": border.aside},
            "error": self.error,
            "absent": self.absent,
        }


def _first(names: list[Any] | None) -> dict[str, Any] | None:
    return None if names is None else {"count": len(names), "first": names[:NAMED]}


def survey(name: str, settings: CorpusSettings, root: Path | str, leaks: Leaks, *, sums: Path | None) -> Survey:
    """Count the corpus at `root`. `sums`: a folder with recorded checksums, by which duplicates are known.

    A downstream set is small: without sums, its files of equal size are read. What cannot be read is said in `error`.
    """
    reading = Reading(settings, root, leaks)
    found = Survey(name, account=reading.account, root=root, test_clips=reading.test_clips)
    pairs: dict[str, list[Pairs]] = {}
    paths: set[str] = set()
    try:
        for rows in reading.parts():
            for split, part in rows.groupby("split", sort=False):
                pairs.setdefault(str(split), []).append(_hashed(part))
            if sums is None and settings.format in reference_counts.DOWNSTREAM:
                paths.update(rows["path"])
        found.duplicates = _by_sum(checksums.read(sums)) if sums else _by_size(Path(root), paths) if paths else None
    except (ValueError, OSError) as error:
        found.error = str(error)
        return found
    wanted = reference_counts.of(settings)
    if (variant := reference_counts.variant_of(settings, found.account.named_tests)) is not None:
        wanted = {**wanted, "test": variant}  # of a variant each test video counts: by what is annotated, not found
    for split in SPLITS:
        if split in pairs or split in wanted:
            found.splits[split] = _count(pairs.get(split, []), wanted.get(split, Counts(None)))
    return found


def _hashed(rows: pd.DataFrame) -> Pairs:
    columns = [pd.util.hash_pandas_object(rows[name], index=False, categorize=False) for name in ("clip_id", "text")]
    return np.stack([column.to_numpy() for column in columns], axis=1)


def _count(parts: list[Pairs], wanted: Counts) -> Split:
    rows = np.concatenate([np.empty((0, 2), np.uint64), *parts])
    distinct = np.unique(rows, axis=0)
    _, videos_of_text = np.unique(distinct[:, 1], return_counts=True)
    return Split(len(np.unique(rows[:, 0])), len(rows), int((videos_of_text > 1).sum()), wanted)


def _by_sum(sums: dict[str, checksums.Sum]) -> list[list[str]]:
    return _groups({path: each.sha256 for path, each in sums.items()})


def _by_size(root: Path, paths: set[str]) -> list[list[str]]:
    """Only files of equal size are read."""
    alike = [path for group in _groups({path: (root / path).stat().st_size for path in paths}) for path in group]
    return _groups({path: checksums.of(root / path).sha256 for path in alike})


def _groups(values: dict[str, Any]) -> list[list[str]]:
    """The keys that share a value, where several do."""
    found: dict[Any, list[str]] = {}
    for key in sorted(values):
        found.setdefault(values[key], []).append(key)
    return [keys for keys in found.values() if len(keys) > 1]
