"""Whether two folders of the same cell hold the same results: byte for byte, but for what the clock wrote."""

import csv
import filecmp
import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from clipvip.runtime import cell_files
from clipvip.runtime.cell_files import TIMES

OF_RUN = frozenset(
    {"started", "versions", "commit", "fingerprint", "lineage", "adopted", "machine", "read", "content", "reused"}
)  # of a receipt
# The machine; settings; the list of all; what a later cell may take over.
LEFT_OUT = frozenset({cell_files.SYSTEM, cell_files.CONFIG, cell_files.FILES, cell_files.SHOWN})


def first_difference(old: Path, new: Path) -> str | None:
    """The first file that differs, by path, and where; None where nothing does."""
    ours, theirs = _files(old), _files(new)
    for name in sorted(ours | theirs):
        if name not in ours or name not in theirs:
            return f"{name}: only {'now' if name not in ours else 'before'}"
        found = _difference(old / name, new / name)
        if found is not None:
            return f"{name}: {found}"
    return None


def _files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - LEFT_OUT


def _difference(old: Path, new: Path) -> str | None:
    if old.name == cell_files.RECEIPT:
        return _of_values(_facts(old), _facts(new))
    if filecmp.cmp(old, new, shallow=False):
        return None
    if old.suffix == ".csv":
        return _of_rows(old, new)
    if old.suffix == ".parquet":
        return _of_tables(old, new)
    return _of_bytes(old, new)


def _facts(path: Path) -> dict[str, Any]:
    read = json.loads(path.read_text())
    return {name: value for name, value in read.items() if name not in OF_RUN}


def _of_values(old: dict[str, Any], new: dict[str, Any], within: str = "") -> str | None:
    """The first entry that differs, entries of mappings inside too; times are no results at any depth."""
    for name in sorted((old.keys() | new.keys()) - TIMES):
        before, now = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            found = _of_values(before, now, f"{within}{name}.")
            if found is not None:
                return found
        elif before != now:
            return f"{within}{name} was {before!r}, is {now!r}"
    return None


def _of_rows(old: Path, new: Path) -> str | None:
    with open(old, newline="", encoding="utf-8") as one, open(new, newline="", encoding="utf-8") as other:
        before, now = csv.DictReader(one), csv.DictReader(other)
        if before.fieldnames != now.fieldnames:
            return f"columns were {before.fieldnames}, are {now.fieldnames}"
        nothing: dict[str, Any] = {}
        for number, rows in enumerate(itertools.zip_longest(before, now, fillvalue=nothing)):
            found = _of_values(*rows)
            if found is not None:
                return f"row {number}: {found}"
    return None


def _of_tables(old: Path, new: Path) -> str | None:
    """Tables with a time in them; others must be the same bytes."""
    ours, theirs = pq.read_table(old), pq.read_table(new)
    if not TIMES & set(ours.column_names):
        return _of_bytes(old, new)
    if ours.schema != theirs.schema or len(ours) != len(theirs):
        return "other columns or another number of rows"
    for name in ours.column_names:
        if name not in TIMES and ours[name] != theirs[name]:
            pairs = zip(ours[name].to_pylist(), theirs[name].to_pylist(), strict=True)
            row = next((i for i, (one, other) in enumerate(pairs) if one != other), None)
            return f"column {name}" if row is None else f"row {row} of column {name}"
    return None


def _of_bytes(old: Path, new: Path) -> str:
    ours, theirs = old.read_bytes(), new.read_bytes()
    at = next((i for i, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
    return f"had {len(ours)} bytes, has {len(theirs)}" if at is None else f"byte {at} differs"
