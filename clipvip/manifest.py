"""The one table that every corpus becomes: a row for each text of a clip, with the file it lies in.

`manifest.parquet` holds clip_id, path (POSIX, below the media root), start and end (seconds in the file, null for the
whole file), text, source ("subtitle", "alt", "caption", "paragraph") and split. `corpus.json` says what it was made of.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

COLUMNS = ("clip_id", "path", "start", "end", "text", "source", "split")
OF_CLIP = ["clip_id", "path", "start", "end", "split"]  # the same on every row of a clip
SOURCES = ("subtitle", "alt", "caption", "paragraph")
SPLITS = ("train", "val", "test")


def write(rows: pd.DataFrame, folder: Path, *, root: Path, format: str, max_bad: float = 0.05) -> None:
    """Write `manifest.parquet` and `corpus.json`; ValueError where the rows break the table's rules.

    A root beside the cell (a generated world) is kept relative to it, so that the results can be moved.
    """
    table = rows.loc[:, list(COLUMNS)].astype({"start": "float64", "end": "float64"})
    _check(table, folder)
    table.to_parquet(folder / "manifest.parquet", index=False)
    root, here = root.resolve(), folder.resolve()
    place = root.relative_to(here.parents[1]) if root.is_relative_to(here.parents[1]) else None
    note = {"format": format, "root": str(root) if place is None else (Path("../..") / place).as_posix()}
    (folder / "corpus.json").write_text(json.dumps({**note, "max_bad": max_bad}, indent=2) + "\n")


def read(folder: Path, *, split: str | None = None) -> pd.DataFrame:
    """The rows of one split, or all; a split that the corpus lacks has no rows."""
    if split is not None and split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    path = folder / "manifest.parquet"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; make the corpus first")
    return pd.read_parquet(path, filters=None if split is None else [("split", "==", split)])


def media_root(folder: Path) -> Path:
    """The folder that the paths of the manifest are relative to."""
    return (folder / str(_note(folder)["root"])).resolve()  # an absolute root replaces the folder


def max_bad(folder: Path) -> float:
    """The share of clips that may be unreadable before decoding stops (a setting of the corpus)."""
    return float(_note(folder)["max_bad"])


def clips(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a clip (its first), in the order of first appearance."""
    return rows.drop_duplicates("clip_id").reset_index(drop=True)


def subset(clip_ids: Sequence[str], size: int, *, seed: int) -> list[str]:
    """`size` of the ids by a seeded hash of the id: nested (a larger subset holds the smaller), free of file order."""
    distinct = dict.fromkeys(clip_ids)
    if not 0 <= size <= len(distinct):
        raise ValueError(f"cannot take {size} clips: there are {len(distinct)}")
    key = str(seed).encode()

    def rank(clip_id: str) -> tuple[bytes, str]:
        return hashlib.blake2b(clip_id.encode(), digest_size=8, key=key).digest(), clip_id

    return sorted(distinct, key=rank)[:size]


def stop_if_too_many(bad: Sequence[str], total: int, *, allowed: float, where: Path | str) -> None:
    """ValueError when more than the `allowed` share of `total` clips is bad; a set that lost clips is not the set."""
    if len(bad) > allowed * total:
        names = ", ".join(bad[:5]) + (", ..." if len(bad) > 5 else "")
        share = f"{len(bad)} of {total} clips ({len(bad) / total:.1%})"
        raise ValueError(
            f"{where}: {share} are missing or unreadable, {allowed:.1%} are allowed: {names}; "
            "add the files, or raise `max_bad` of the corpus"
        )


def _note(folder: Path) -> dict[str, Any]:
    path = folder / "corpus.json"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; make the corpus first")
    note: dict[str, Any] = json.loads(path.read_text())
    return note


def _check(table: pd.DataFrame, folder: Path) -> None:
    for column in ("clip_id", "path", "text", "source", "split"):
        empty = table[column].isna() | (table[column] == "")
        if empty.any():
            raise ValueError(f"{folder}: manifest row {int(empty.to_numpy().argmax())} has no {column}")
    for column, known in (("source", SOURCES), ("split", SPLITS)):
        strange = set(table[column]) - set(known)
        if strange:
            raise ValueError(f"{folder}: {column} {sorted(strange)[0]!r} is none of {', '.join(known)}")
    places = table.loc[:, OF_CLIP].drop_duplicates()
    repeated = places["clip_id"].duplicated()
    if repeated.any():
        clip_id = places["clip_id"][repeated].iloc[0]
        raise ValueError(f"{folder}: rows of clip {clip_id!r} differ in path, start, end or split")
