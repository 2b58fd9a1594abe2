"""Finished cells behind a URL that fsspec opens, such as a bucket: pushed once, pulled where they would be fresh.

A cell lies there as it does in a results folder. Its receipt comes last, so that one that was pushed in part is none;
what is pulled is compared with its SHA-256, file by file, before it takes its place.
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from clipvip.pipeline.cell import Cell
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.store import changed_inputs, folder, lock_path, state
from clipvip.runtime import cell_content, cell_files
from clipvip.runtime.files import locked, place

LARGEST = 1 << 28  # bytes of a receipt, which may name a million clips, and of a list of files


def push(jobs: Jobs, url: str) -> list[str]:
    """Copy the fresh cells of an experiment to where they are not yet; their names. ValueError: no such store."""
    files, root = _opened(url)
    pushed = []
    for cell in jobs.grid.cells.values():
        own, there = folder(jobs.root, cell.name), f"{root}/cells/{cell.name}"
        if state(jobs.root, cell) != "fresh" or not (own / cell_files.FILES).is_file():
            continue
        receipt = (own / cell_files.RECEIPT).read_bytes()
        if _read(files, f"{there}/{cell_files.RECEIPT}") == receipt:
            continue
        if files.exists(f"{there}/{cell_files.RECEIPT}"):  # of other code: it ends before its files do
            files.rm_file(f"{there}/{cell_files.RECEIPT}")
        for name in [*dict(_listed((own / cell_files.FILES).read_text(), str(own))), cell_files.FILES]:
            files.makedirs(f"{there}/{name}".rpartition("/")[0], exist_ok=True)
            files.put_file(str(own / name), f"{there}/{name}")
        files.pipe_file(f"{there}/{cell_files.RECEIPT}", receipt)
        pushed.append(cell.name)
    return pushed


def pull(jobs: Jobs, url: str) -> list[str]:
    """Bring the cells of an experiment that are there and not fresh here; their names.

    ValueError: no such store, or what came is not what was pushed.
    """
    files, root = _opened(url)
    pulled = []
    for cell in jobs.grid.cells.values():  # inputs before what is made from them
        there = f"{root}/cells/{cell.name}"
        receipt = None if state(jobs.root, cell) == "fresh" else _read(files, f"{there}/{cell_files.RECEIPT}")
        if receipt is None or not _would_be_fresh(jobs.root, cell, receipt, there):
            continue
        with locked(lock_path(jobs.root, cell.name)):
            if state(jobs.root, cell) != "fresh":
                _bring(files, there, folder(jobs.root, cell.name), receipt)
                pulled.append(cell.name)
    return pulled


def _would_be_fresh(root: Path, cell: Cell, receipt: bytes, where: str) -> bool:
    """Whether it was made by today's code from what the inputs hold here. ValueError for what is no receipt."""
    try:
        found = json.loads(receipt)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("read", {}), dict | None):
        raise ValueError(f"{where}/{cell_files.RECEIPT}: no receipt of a cell; push it again")
    inputs = {role: other.name for role, other in cell.inputs.items()}
    return found.get("lineage") == cell.lineage and found.get("inputs") == inputs and not changed_inputs(root, found)


def _bring(files: Any, there: str, target: Path, receipt: bytes) -> None:
    beside = target.with_name(f".{target.name}-pulled-{os.getpid()}")
    try:
        beside.mkdir(parents=True)
        listed = _read(files, f"{there}/{cell_files.FILES}") or b""
        (beside / cell_files.FILES).write_bytes(listed)
        for name, size in _listed(listed.decode(errors="replace"), there):
            if (found := files.size(f"{there}/{name}")) != size:  # before it fills the disk
                raise ValueError(f"{there}/{name} has {found} bytes and was made with {size}; push it again")
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            files.get_file(f"{there}/{name}", str(beside / name))
        (beside / cell_files.RECEIPT).write_bytes(receipt)
        if (why := cell_content.damage(beside, verify=True)) is not None:
            raise ValueError(f"{there}: {why}; push it again")
        if target.exists():
            shutil.rmtree(target)
        place(beside, target)
    except FileNotFoundError as error:
        raise ValueError(f"{there}: {error} is gone; push it again") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _listed(text: str, where: str) -> Iterator[tuple[str, int]]:
    """Names and sizes in a cell's list of files; ValueError for one that leads out of the cell, and for no list."""
    try:
        rows = [(row["path"], int(row["size"])) for row in csv.DictReader(io.StringIO(text))]
    except (KeyError, TypeError, ValueError, csv.Error):
        raise ValueError(f"{where}/{cell_files.FILES}: no list of a cell's files; push it again") from None
    for path, size in rows:
        name = PurePosixPath(path)
        if not name.parts or name.is_absolute() or ".." in name.parts or {"\\", "\0", ":"} & set(path):
            raise ValueError(f"{where}/{cell_files.FILES}: {path!r} is outside of the cell")
        yield path, size


def _read(files: Any, path: str) -> bytes | None:
    """A receipt or a list of files; None where it is not there. ValueError for one that no cell of ours has."""
    try:
        found: bytes = files.cat_file(path, start=0, end=LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(found) > LARGEST:
        raise ValueError(f"{path}: more than {LARGEST / 1e6:.0f} MB; no cell has that")
    return found


def _opened(url: str) -> tuple[Any, str]:
    """The file system behind a URL, and the path there."""
    try:
        files, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{url}: {error}") from None
    return files, str(root).rstrip("/")
