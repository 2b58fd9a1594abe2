"""The texts of a training run, in a file and read a clip at a time: none of them stays in memory.

All texts stand one after another as UTF-8; three small arrays say which bytes are which clip's. A draw is one read at a
known place, the same in every worker and in every process of a run, which share the file.
"""

import os
import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from clipvip.data.clip_ids import Ids
from clipvip.runtime.files import place


class Sentences(Mapping[str, list[str]]):
    """Clip id -> its texts, in the order in which they were written; a clip without any is not a key."""

    def __init__(self, folder: Path, ids: Ids) -> None:
        """As `write` left them in `folder`; `ids` must be the same."""
        self._folder, self._ids = folder, ids
        self._first, self._starts, self._lengths = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("first", "starts", "lengths")
        )
        if len(self._first) != len(ids) + 1:
            raise ValueError(f"{folder}: texts of {len(self._first) - 1} clips, not of {len(ids)}")

    @staticmethod
    def write(batches: Iterable[Any], ids: Ids, folder: Path) -> None:
        """Arrow batches of two columns, clip id and text, to `folder`; only texts of `ids` are kept, and no null.

        The folder appears whole, or not at all: a run that goes on finds its texts where it left them.
        """
        whole, folder = folder, folder.with_name(f".{folder.name}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(whole, ignore_errors=True)
        folder.mkdir(parents=True)
        owners, sizes = [np.empty(0, np.uint32)], [np.empty(0, np.int32)]
        with open(folder / "texts", "wb") as file:
            for batch in batches:
                owner = ids.positions(batch[0])
                kept = (owner >= 0) & batch[1].is_valid().to_numpy(zero_copy_only=False)
                owners.append(owner[kept].astype(np.uint32))
                sizes.append(_append(file, batch[1].filter(pa.array(kept))))
        owner, lengths = np.concatenate(owners), np.concatenate(sizes)
        starts = np.cumsum(lengths, dtype=np.int64) - lengths
        if (owner[1:] < owner[:-1]).any():  # texts of a clip need not stand together
            order = np.argsort(owner, kind="stable")
            starts, lengths = starts[order], lengths[order]
        first = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(np.bincount(owner, minlength=len(ids)), out=first[1:])
        for name, values in (("first", first), ("starts", starts), ("lengths", lengths)):
            np.save(folder / f"{name}.npy", values)
        place(folder, whole)

    def __getitem__(self, clip_id: str) -> list[str]:
        position = self._ids.position(clip_id)
        rows = slice(int(self._first[position]), int(self._first[position + 1]))
        if rows.start == rows.stop:
            raise KeyError(clip_id)
        places = zip(self._starts[rows].tolist(), self._lengths[rows].tolist(), strict=True)
        return [os.pread(self._file, length, start).decode() for start, length in places]

    def __len__(self) -> int:
        return int((np.diff(self._first) > 0).sum())

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids.take(np.flatnonzero(np.diff(self._first) > 0)))

    def __reduce__(self) -> tuple[type["Sentences"], tuple[Path, Ids]]:
        return type(self), (self._folder, self._ids)

    @cached_property
    def _file(self) -> int:
        """Descriptor of the texts, closed with the last user; forked workers may share it, a read says where."""
        descriptor = os.open(self._folder / "texts", os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        return descriptor


def _append(file: BinaryIO, texts: Any) -> Int[np.ndarray, " texts"]:
    """Write the texts; their lengths in bytes."""
    texts = texts.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if len(texts):
        file.write(data.slice(int(ends[0]), int(ends[-1] - ends[0])))
    return np.diff(ends).astype(np.int32)
