"""Clip ids by the million: one Arrow column, from which an id's number and a number's id are both found at once.

Ten million ids are 1.4 GB as Python's list and dict, 0.4 GB here: the column, and its hashes in sorted order.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int, Integer, UInt64

CHUNK = 1 << 18  # ids that are Python objects at a time
FEW = 100_000  # ids up to which a dict takes little memory; it finds one sooner


class Ids(Sequence[str]):
    """Distinct ids in order; `position` and `positions` look them up."""

    def __init__(self, ids: Any) -> None:
        """Of distinct strings: a sequence of str, or an Arrow column."""
        column = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.large_string())
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        self._column = whole.cast(pa.large_string())

    @classmethod
    def distinct(cls, column: Any) -> "Ids":
        """The ids of an Arrow column with repeats, in order of first appearance."""
        ids = cls(column)
        hashes, _ = ids._index
        # where no two hashes are the same, no two ids are: that costs no table of all strings
        return ids if (hashes[1:] != hashes[:-1]).all() else cls(pc.unique(ids._column))

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Ids": ...
    def __getitem__(self, place: int | slice) -> "str | Ids":
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        return str(self._column[int(place)].as_py())  # negative places and IndexError as Arrow has them: a list's

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), CHUNK):
            yield from self._column.slice(start, CHUNK).to_pylist()

    def __contains__(self, clip_id: object) -> bool:
        return isinstance(clip_id, str) and self._find(clip_id) is not None

    def take(self, positions: Int[np.ndarray, " chosen"]) -> "Ids":
        """The ids at these positions."""
        return Ids(self._column.take(pa.array(positions)))

    def position(self, clip_id: str) -> int:
        """Where an id stands; KeyError if it is none of these."""
        found = self._find(clip_id)
        if found is None:
            raise KeyError(clip_id)
        return found

    def positions(self, column: Any) -> Int[np.ndarray, " rows"]:
        """Where each id of an Arrow column stands, -1 for one that is none of these."""
        column = column.cast(pa.large_string())
        starts = range(0, len(column), CHUNK)
        parts = [self._locate(column.slice(start, CHUNK)) for start in starts]
        return np.concatenate([np.empty(0, np.int64), *parts])

    @cached_property
    def _index(self) -> tuple[UInt64[np.ndarray, " ids"], Integer[np.ndarray, " ids"]]:
        """Hashes in order, and the position of each."""
        starts = range(0, len(self), CHUNK)
        parts = [_hash(self._column.slice(start, CHUNK).to_numpy(zero_copy_only=False)) for start in starts]
        hashes = np.concatenate([np.empty(0, np.uint64), *parts])
        order = np.argsort(hashes)
        return hashes[order], order.astype(np.uint32 if len(order) < 1 << 32 else np.int64)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {clip_id: place for place, clip_id in enumerate(self)}

    def _find(self, clip_id: str) -> int | None:
        if len(self) <= FEW:
            return self._places.get(clip_id)
        hashes, order = self._index
        wanted = _hash(np.array([clip_id], dtype=object))[0]
        at = int(np.searchsorted(hashes, wanted))
        while at < len(hashes) and hashes[at] == wanted:  # two ids may have one hash
            if self[int(order[at])] == clip_id:
                return int(order[at])
            at += 1
        return None

    def _locate(self, wanted: Any) -> Int[np.ndarray, " rows"]:
        """As `_find`, for a whole chunk at a time."""
        hashes, order = self._index
        own = _hash(wanted.to_numpy(zero_copy_only=False))
        at = np.searchsorted(hashes, own)
        found = np.full(len(own), -1, np.int64)
        rest = np.arange(len(own))
        while len(rest):
            rest = rest[at[rest] < len(hashes)]
            rest = rest[hashes[at[rest]] == own[rest]]
            candidates = order[at[rest]].astype(np.int64)
            same = pc.equal(_plain(self._column.take(pa.array(candidates))), _plain(wanted.take(pa.array(rest))))
            equal = same.to_numpy(zero_copy_only=False).astype(bool)
            found[rest[equal]] = candidates[equal]
            rest = rest[~equal]
            at[rest] += 1
        return found


def _plain(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _hash(ids: Any) -> UInt64[np.ndarray, " ids"]:
    """64 bits an id; only ever compared within one process."""
    return pd.util.hash_array(ids, categorize=False)
