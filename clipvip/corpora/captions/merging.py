"""Captions of many shards as one table in order of their clips, in the memory of a small share of them.

The rows are first spread over files by ranges of clip ids, so that a range fits into memory and all rows of a clip are
in one; then range after range is put in order and written. Nothing else is held: 100 million rows or one.
"""

import collections
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clipvip.data.clip_ids import Ids
from clipvip.runtime.files import written

RANGE = 1 << 18  # rows that are in memory as a table
MOST_RANGES = 384  # files open at a time
DRAWN = 64  # ids by which a range's border is found
READ = 1 << 16  # rows read at a time
GROUP = 1 << 20  # rows of a group in the file that is written
COLUMNS = ["clip_id", "caption", "model"]


@dataclass
class Merged:
    """What is known of the rows that were put together."""

    clips: int = 0
    captioned: int = 0
    captions: int = 0
    seconds: float = 0.0
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    unreadable: list[str] = field(default_factory=list)  # clips that have a reason other than those that may be

    def facts(self) -> dict[str, Any]:
        """As a receipt says it; the speed is that of one process."""
        return {
            "clips": self.clips,
            "captioned": self.captioned,
            "captions": self.captions,
            "missing": self.clips - self.captioned,
            "reasons": {reason: count for reason, count in self.reasons.most_common()},
            "clips_per_s": round(self.clips / max(1e-9, self.seconds), 1),
        }


def merge(parts: Sequence[Path], out: Path, sound: frozenset[str]) -> Merged:
    """Write `out` (clip_id, caption, model; by clip_id and frame) of the rows in `parts`, of which the first counts
    where two are of one frame. Frames of a clip that got the same caption give it once.

    `sound`: reasons for having no caption that do not make a clip unreadable. ValueError without any row or caption.
    """
    if not parts:
        raise ValueError("no captions to put together: the corpus has no clip")
    found = Merged()
    with ExitStack() as stack:
        beside = stack.enter_context(written(out))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".ranges-", dir=out.parent)))
        writer = _Writer(beside)
        for rows in _ranges(parts, place):
            writer.add(_taken(rows, found, sound))
        if not found.captions:
            reasons = {reason: count for reason, count in found.reasons.most_common()}
            raise ValueError(f"{out.parent}: not one clip of {found.clips} has a caption: {reasons}")
        writer.close()
    return found


def _taken(rows: pd.DataFrame, found: Merged, sound: frozenset[str]) -> pd.DataFrame:
    """The captions among all rows of some clips; adds to what is known."""
    rows = rows.drop_duplicates(["clip_id", "frame"]).sort_values(["clip_id", "frame"])
    kept = rows[rows["caption"].notna()].drop_duplicates(["clip_id", "caption"])
    found.clips += rows["clip_id"].nunique()
    found.captioned += kept["clip_id"].nunique()
    found.captions += len(kept)
    found.seconds += float(rows["seconds"].sum())
    bare = rows[~rows["clip_id"].isin(kept["clip_id"])].drop_duplicates("clip_id")
    found.reasons.update(str(reason) for reason in bare["reason"] if pd.notna(reason))
    bad = rows.loc[rows["reason"].notna() & ~rows["reason"].isin(sound), "clip_id"]
    found.unreadable += bad.unique().tolist()
    return kept[COLUMNS]


def _ranges(parts: Sequence[Path], place: Path) -> Iterator[pd.DataFrame]:
    """All rows, in tables of whole clips; the clips of a table come before those of the next."""
    total = sum(pq.ParquetFile(part).metadata.num_rows for part in parts)
    count = min(MOST_RANGES, -(-total // RANGE))
    if count <= 1:
        yield pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
        return
    borders = _borders(parts, count, total)
    schema = pq.read_schema(parts[0]).remove_metadata()
    with ExitStack() as stack:
        files = [stack.enter_context(pq.ParquetWriter(place / f"{n:04d}", schema)) for n in range(len(borders) + 1)]
        held: list[list[Any]] = [[] for _ in files]
        sizes = [0] * len(files)
        for batch in _batches(parts, None):
            owner = np.searchsorted(
                borders, batch["clip_id"].to_numpy(zero_copy_only=False).astype(object), side="right"
            )
            order = np.argsort(owner, kind="stable")
            cuts = np.searchsorted(owner[order], np.arange(len(files) + 1))
            table = batch.take(pa.array(order))
            for number in np.flatnonzero(np.diff(cuts)).tolist():
                own = table.slice(int(cuts[number]), int(cuts[number + 1] - cuts[number]))
                held[number].append(pa.Table.from_batches([own]).cast(schema))
                sizes[number] += len(own)
                if sizes[number] >= READ // 16:
                    files[number].write_table(pa.concat_tables(held[number]))
                    held[number], sizes[number] = [], 0
        for file, rest in zip(files, held, strict=True):
            if rest:
                file.write_table(pa.concat_tables(rest))
    pandas = pq.read_schema(parts[0])  # with what pandas noted of its types
    for path in sorted(place.iterdir()):
        yield pq.read_table(path).replace_schema_metadata(pandas.metadata).to_pandas()
        path.unlink()


def _borders(parts: Sequence[Path], count: int, total: int) -> np.ndarray:
    """Clip ids that cut all of them into `count` ranges of about one size."""
    every = max(1, total // (count * DRAWN))
    drawn = [batch["clip_id"].take(pa.array(np.arange(0, len(batch), every))) for batch in _batches(parts, ["clip_id"])]
    ids = np.sort(np.array(list(Ids.distinct(pa.chunked_array(drawn))), dtype=object))
    return ids[[len(ids) * number // count for number in range(1, count)]]


def _batches(parts: Sequence[Path], columns: list[str] | None) -> Iterator[Any]:
    for part in parts:
        yield from pq.ParquetFile(part, pre_buffer=False).iter_batches(READ, columns=columns)


class _Writer:
    """A parquet file as pandas writes it, a group of rows at a time."""

    def __init__(self, path: Path) -> None:
        self._path, self._held, self._rows = path, list[Any](), 0
        self._file: Any = None

    def add(self, rows: pd.DataFrame) -> None:
        """Append rows."""
        self._held.append(pa.Table.from_pandas(rows, preserve_index=False))
        self._rows += len(rows)
        while self._rows >= GROUP:
            self._write(GROUP)

    def _write(self, count: int) -> None:
        whole = pa.concat_tables(self._held)
        if self._file is None:
            self._file = pq.ParquetWriter(self._path, whole.schema)
        self._file.write_table(whole.slice(0, count), row_group_size=GROUP)
        self._held, self._rows = [whole.slice(count)], self._rows - count

    def close(self) -> None:
        """Write what is left."""
        if self._rows or self._file is None:
            self._write(self._rows)
        self._file.close()
