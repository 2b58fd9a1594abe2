"""Captions that an earlier cell wrote, taken over for clips that still show the same: a corpus that has grown captions
only its new clips.

A clip is the same where its id and the SHA-256 of the very frames that a captioner is shown are. `shown.parquet` keeps
both beside the captions, one row a clip: clip_id, pixels, captions (of each frame; null where nothing was said).
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import UInt8

from clipvip.data.clip_ids import Ids
from clipvip.runtime import cell_files
from clipvip.runtime.files import written

PIXELS, TAKEN = "pixels", "taken"  # columns of parts: digest of a clip's frames; the cell that its captions are of
SCHEMA = pa.schema(
    {"clip_id": pa.large_string(), PIXELS: pa.large_string(), "captions": pa.list_(pa.large_string())},
)
ROWS = 1 << 16  # clips at a time


def digest(frames: UInt8[np.ndarray, "frames height width 3"]) -> str:
    """SHA-256 of frames, their shape included."""
    found = hashlib.sha256(repr(frames.shape).encode())
    found.update(np.ascontiguousarray(frames).data)
    return found.hexdigest()


class Known:
    """The captions of earlier cells, of the clips that are asked for alone."""

    def __init__(self, cells: Sequence[Path], clip_ids: Sequence[str]) -> None:
        """Of finished captions cells by the same code, settings and captioner; of those without SHOWN, nothing."""
        self._found: dict[tuple[str, str], tuple[list[str | None], str]] = {}
        wanted = Ids(list(clip_ids))
        for cell in (each for each in cells if (each / cell_files.SHOWN).is_file()):
            for batch in pq.ParquetFile(cell / cell_files.SHOWN).iter_batches(ROWS):
                kept = batch.filter(pa.array(wanted.positions(batch["clip_id"]) >= 0))
                for row in kept.to_pylist():
                    own = row["captions"], f"{cell.parent.name}/{cell.name}"
                    self._found.setdefault((row["clip_id"], row[PIXELS]), own)

    def get(self, clip_id: str, pixels: str) -> tuple[list[str | None], str] | None:
        """The caption of each frame, and the cell that wrote them; None for a clip that is new or shows otherwise."""
        return self._found.get((clip_id, pixels))


def write(parts: Sequence[Path], out: Path) -> dict[str, Any]:
    """`out/shown.parquet` of the rows in parts; how many clips were taken over, and from which cells, as facts."""
    counts: dict[str, int] = {}
    with written(out / cell_files.SHOWN) as beside, pq.ParquetWriter(beside, SCHEMA) as file:
        for clips, taken in map(_clips, _shown(parts)):
            file.write_table(clips)
            for cell, count in zip(*(taken.field(name).to_pylist() for name in ("values", "counts")), strict=True):
                counts[cell] = counts.get(cell, 0) + count
    return {"reused": {"clips": sum(counts.values()), "from": sorted(counts)}} if counts else {}


def _shown(parts: Sequence[Path]) -> Iterator[Any]:
    """The rows of parts whose frames were seen, whole clips at a time; captions that were made elsewhere saw none."""
    for part in parts:
        if PIXELS not in pq.read_schema(part).names:
            continue
        file, left = pq.ParquetFile(part, pre_buffer=False), None
        for batch in file.iter_batches(ROWS, columns=["clip_id", "frame", "caption", PIXELS, TAKEN]):
            rows = pa.Table.from_batches([batch])
            rows = rows.filter(pc.is_valid(rows[PIXELS]))
            rows = rows if left is None else pa.concat_tables([left, rows])
            if len(rows):
                last = pc.equal(rows["clip_id"], rows["clip_id"][-1])  # its other frames may come with the next batch
                left = rows.filter(last)
                yield rows.filter(pc.invert(last))
        if left is not None:
            yield left


def _clips(rows: Any) -> tuple[Any, Any]:
    """A row a clip, and how many clips came from which cell."""
    ordered = rows.sort_by([("clip_id", "ascending"), ("frame", "ascending")])
    first = np.flatnonzero(ordered["frame"].to_numpy() == 0)
    texts = ordered["caption"].cast(pa.large_string()).combine_chunks()
    lists = pa.ListArray.from_arrays(pa.array([*first, len(ordered)], pa.int32()), texts)
    heads = ordered.take(pa.array(first))
    clips = [heads[name].cast(pa.large_string()).combine_chunks() for name in ("clip_id", PIXELS)]
    taken = heads[TAKEN].drop_null().cast(pa.large_string())
    return pa.table([*clips, lists], schema=SCHEMA), taken.value_counts()
