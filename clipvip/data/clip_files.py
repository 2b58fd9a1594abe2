"""Where the clips of a corpus lie, by clip id: file, and the stretch of it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from clipvip.data import manifest
from clipvip.data.media import tar_members
from clipvip.data.media.file_header import VideoError


@dataclass(frozen=True)
class Place:
    """A clip's file (POSIX, below the media root), and its stretch in seconds; None is the file's own end."""

    path: str
    start: float | None
    end: float | None
    member: tuple[int, int] | None = None  # offset and size in bytes, of a clip in a tar shard


class Places:
    """Clip id -> place; an Arrow column of paths, and stretches only where a corpus has any."""

    def __init__(self, corpus: Path) -> None:
        """Of a finished corpus cell."""
        self.ids = manifest.clip_ids(corpus)
        self._root = manifest.media_url(corpus)
        parts: dict[str, list[Any]] = {name: [] for name in ("path", "start", "end", *manifest.member_columns(corpus))}
        seen = 0
        for batch in manifest.scan(corpus, ["clip_id", *parts]):
            rows, seen = _first_rows(self.ids.positions(batch["clip_id"]), seen)
            for name, kept in parts.items():
                kept.append(batch[name].take(pa.array(rows)))
        whole = {name: pa.chunked_array(kept) for name, kept in parts.items()}
        self._paths = whole["path"].cast(pa.large_string()).combine_chunks()
        self._start, self._end = _seconds(whole["start"]), _seconds(whole["end"])
        self._members = [whole[name].to_numpy() for name in manifest.MEMBER if name in whole]

    def __getitem__(self, clip_id: str) -> Place:
        row = self.ids.position(clip_id)
        start, end = (_at(column, row) for column in (self._start, self._end))
        member = (int(self._members[0][row]), int(self._members[1][row])) if self._members else None
        return Place(self._paths[row].as_py(), start, end, member)

    @contextlib.contextmanager
    def file(self, place: Place) -> Iterator[Path]:
        """The file that a clip is read from while the `with` lasts. Raises VideoError for a shard that is gone."""
        if place.member is None:
            yield Path(self._root) / place.path
            return
        try:
            content = tar_members.read(self._root, place.path, *place.member)
        except OSError as error:
            raise VideoError(f"{self._root}/{place.path}", f"cannot be read from its shard: {error}") from None
        with tar_members.as_file(content, place.path) as path:
            yield path


def _first_rows(positions: Any, seen: int) -> tuple[Any, int]:
    """Rows at which a clip appears first, and how many clips there were: ids count in order of appearance."""
    highest = np.maximum.accumulate(np.concatenate([[seen - 1], positions]))
    return np.flatnonzero(highest[1:] > highest[:-1]), int(highest[-1]) + 1


def _seconds(column: Any) -> Float[np.ndarray, " clips"] | None:
    if column.null_count == len(column) or pc.all(pc.is_nan(column.drop_null())).as_py():
        return None
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _at(column: Float[np.ndarray, " clips"] | None, row: int) -> float | None:
    return None if column is None or np.isnan(column[row]) else float(column[row])
