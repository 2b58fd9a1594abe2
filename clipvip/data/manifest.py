"""The one table that every corpus becomes: a row for each text of a clip, with the file it lies in.

`manifest.parquet` holds clip_id, path (POSIX, below the media root), start and end (seconds in the file, null for the
whole file), text, source ("subtitle", "alt", "caption", "paragraph") and split; of a corpus that may have test clips
also cluster, what a clip was cut from (YouTube id, film, file). `corpus.json` says what it was made of.
It is written and read in parts, so that a hundred million rows need no more memory than what is asked of them.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import UInt64

from clipvip.data.clip_ids import Ids
from clipvip.data.subsets import nested
from clipvip.runtime import cell_files
from clipvip.runtime.files import place, write_whole

COLUMNS = ("clip_id", "path", "start", "end", "text", "source", "split")
MEMBER = ("offset", "size")  # bytes in a tar shard; columns of corpora that lie in shards alone
CLUSTER = "cluster"  # clips of one are not independent; a column of corpora that may have test clips
OF_CLIP = ["clip_id", "path", "start", "end", "split"]  # the same on every row of a clip
SOURCES = ("subtitle", "alt", "caption", "paragraph")
SPLITS = ("train", "val", "test")
NOTE = "corpus.json"  # beside the manifest: format, media root, share of bad clips allowed
PART = 1 << 17  # rows written, and read, at a time


def write(rows: pd.DataFrame, folder: Path, *, root: Path, format: str, max_bad: float = 0.05) -> None:
    """Write `manifest.parquet` and `corpus.json`; ValueError where the rows break the table's rules.

    A root beside the cell (a generated world) is kept relative to it, so that the results can be moved.
    """
    with Writer(folder, root=root, format=format, max_bad=max_bad) as parts:
        parts.add(rows)


class Writer:
    """Writes a manifest in parts; the file is there when the `with` ends well, and no part of it otherwise."""

    def __init__(self, folder: Path, *, root: Path | str, format: str, max_bad: float = 0.05) -> None:
        """`root`: folder of the media, or a URL."""
        self._folder, self._beside = folder, folder / f".{cell_files.MANIFEST}"
        where = root if isinstance(root, str) and "://" in root else _place(Path(root).resolve(), folder.resolve())
        self._note = {"format": format, "root": where, "max_bad": max_bad}
        self._file: Any = None
        self._seen: list[UInt64[np.ndarray, "rows 2"]] = []  # of each row: hash of the clip's id, of its place

    def __enter__(self) -> "Writer":
        return self

    def add(self, rows: pd.DataFrame) -> None:
        """Append rows, in any number; ValueError where they break the table's rules."""
        columns = [*COLUMNS, *(name for name in (*MEMBER, CLUSTER) if name in rows)]
        table = rows.loc[:, columns].astype({"start": "float64", "end": "float64"})
        _check(table, self._folder, before=sum(map(len, self._seen)))
        schema = None if self._file is None else self._file.schema
        part = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
        if self._file is None:
            self._file = pq.ParquetWriter(self._beside, part.schema)
        self._file.write_table(part, row_group_size=PART)
        self._seen.append(_fingerprints(table))

    @property
    def empty(self) -> bool:
        """No row was added yet."""
        return self._file is None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is None:
            if kind is None:
                raise ValueError(f"{self._folder}: a manifest without rows")
            return
        self._file.close()
        try:
            if kind is None:
                self._check_across_parts()
                place(self._beside, self._folder / cell_files.MANIFEST)
                write_whole(self._folder / NOTE, json.dumps(self._note, indent=2) + "\n")
        finally:
            self._beside.unlink(missing_ok=True)

    def _check_across_parts(self) -> None:
        """A clip whose rows lie in several parts has one place; the rows are read again only where hashes differ."""
        if len(self._seen) < 2:
            return
        seen = np.concatenate(self._seen)
        order = np.lexsort((seen[:, 1], seen[:, 0]))
        clips, places = seen[order, 0], seen[order, 1]
        torn = clips[1:][(clips[1:] == clips[:-1]) & (places[1:] != places[:-1])]
        if not len(torn):
            return
        batches = pq.ParquetFile(self._beside).iter_batches(PART, columns=OF_CLIP)
        parts = (batch.to_pandas() for batch in batches)
        _check_places(pd.concat([part[np.isin(_hashed(part["clip_id"]), torn)] for part in parts]), self._folder)


def read(folder: Path, *, split: str | None = None) -> pd.DataFrame:
    """The rows of one split, or all; a split that the corpus lacks has no rows."""
    path = _path(folder, split)
    return pd.read_parquet(path, filters=None if split is None else [("split", "==", split)])


def scan(folder: Path, columns: Sequence[str], *, split: str | None = None) -> Iterator[Any]:
    """These columns of one split, or all, as Arrow record batches of at most PART rows, in order."""
    file = pq.ParquetFile(_path(folder, split), pre_buffer=False)
    wanted = list(dict.fromkeys([*columns, *(["split"] if split else [])]))
    for batch in file.iter_batches(PART, columns=wanted):
        kept = batch.filter(pc.equal(batch["split"], split)) if split else batch
        yield kept.select(list(columns))


def member_columns(folder: Path) -> list[str]:
    """MEMBER where the corpus lies in tar shards, else nothing."""
    there = pq.ParquetFile(_path(folder, None)).schema_arrow.names
    return [name for name in MEMBER if name in there]


def clip_ids(folder: Path, *, split: str | None = None) -> Ids:
    """The clips of one split, or all, in order of first appearance."""
    parts = [batch["clip_id"].cast(pa.large_string()) for batch in scan(folder, ["clip_id"], split=split)]
    return Ids.distinct(pa.chunked_array(parts, pa.large_string()))


def media_url(folder: Path) -> str:
    """The same as text, or the URL of a corpus that lies behind one."""
    root = str(_note(folder)["root"])
    return root if "://" in root else str(media_root(folder))


def media_root(folder: Path) -> Path:
    """The folder that the paths of the manifest are relative to."""
    return (folder / str(_note(folder)["root"])).resolve()  # an absolute root replaces the folder


def max_bad(folder: Path) -> float:
    """The share of clips that may be unreadable before decoding stops (a setting of the corpus)."""
    return float(_note(folder)["max_bad"])


def clusters(folder: Path, clip_ids: Sequence[str]) -> list[str]:
    """What each clip was cut from; the clip itself where the corpus does not tell."""
    if CLUSTER not in pq.ParquetFile(_path(folder, None)).schema_arrow.names:
        return list(clip_ids)
    rows = pd.read_parquet(_path(folder, None), columns=["clip_id", CLUSTER]).drop_duplicates("clip_id")
    known = dict(zip(rows["clip_id"], rows[CLUSTER], strict=True))
    return [str(known.get(clip_id) or clip_id) for clip_id in clip_ids]


def clips(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a clip (its first), in the order of first appearance."""
    return rows.drop_duplicates("clip_id").reset_index(drop=True)


def subset(clip_ids: Sequence[str], size: int, *, seed: int) -> list[str]:
    """`size` of the ids by a seeded hash of the id: nested (a larger subset holds the smaller), free of file order."""
    return list(nested(Ids(list(dict.fromkeys(clip_ids))), size, seed=seed))


def _place(root: Path, here: Path) -> str:
    """The root as the cell in `here` notes it: relative where both lie in one results folder."""
    inside = root.is_relative_to(here.parents[1])
    return (Path("../..") / root.relative_to(here.parents[1])).as_posix() if inside else str(root)


def _path(folder: Path, split: str | None) -> Path:
    if split is not None and split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    path = folder / cell_files.MANIFEST
    if not path.is_file():
        raise ValueError(f"{path}: no such file; make the corpus first")
    return path


def _note(folder: Path) -> dict[str, Any]:
    path = folder / NOTE
    if not path.is_file():
        raise ValueError(f"{path}: no such file; make the corpus first")
    note: dict[str, Any] = json.loads(path.read_text())
    return note


def _check(table: pd.DataFrame, folder: Path, before: int) -> None:
    for column in ("clip_id", "path", "text", "source", "split"):
        empty = table[column].isna() | (table[column] == "")
        if empty.any():
            raise ValueError(f"{folder}: manifest row {before + int(empty.to_numpy().argmax())} has no {column}")
    for column, known in (("source", SOURCES), ("split", SPLITS)):
        strange = set(table[column].unique()) - set(known)
        if strange:
            raise ValueError(f"{folder}: {column} {sorted(strange)[0]!r} is none of {', '.join(known)}")
    _check_places(table, folder)


def _check_places(table: pd.DataFrame, folder: Path) -> None:
    places = table.loc[:, OF_CLIP].drop_duplicates()
    repeated = places["clip_id"].duplicated()
    if repeated.any():
        clip_id = places["clip_id"][repeated].iloc[0]
        raise ValueError(f"{folder}: rows of clip {clip_id!r} differ in path, start, end or split")


def _fingerprints(table: pd.DataFrame) -> UInt64[np.ndarray, "rows 2"]:
    places = pd.util.hash_pandas_object(table.loc[:, OF_CLIP], index=False, categorize=False)
    return np.stack([_hashed(table["clip_id"]), places.to_numpy()], axis=1)


def _hashed(clip_ids: "pd.Series[str]") -> UInt64[np.ndarray, " rows"]:
    return pd.util.hash_pandas_object(clip_ids, index=False, categorize=False).to_numpy()
