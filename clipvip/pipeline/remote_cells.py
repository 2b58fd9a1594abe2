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
        for name in [*_listed((own / cell_files.FILES).read_text(), str(own)), cell_files.FILES]:
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
        receipt = _read(files, f"{root}/cells/{cell.name}/{cell_files.RECEIPT}")
        if receipt is None or state(jobs.root, cell) == "fresh" or not _would_be_fresh(jobs.root, cell, receipt):
            continue
        with locked(lock_path(jobs.root, cell.name)):
            if state(jobs.root, cell) != "fresh":
                _bring(files, f"{root}/cells/{cell.name}", folder(jobs.root, cell.name), receipt)
                pulled.append(cell.name)
    return pulled


def _would_be_fresh(root: Path, cell: Cell, receipt: bytes) -> bool:
    """Whether it was made by today's code from what the inputs hold here."""
    found = json.loads(receipt)
    return found.get("lineage") == cell.lineage and not changed_inputs(root, found)


def _bring(files: Any, there: str, target: Path, receipt: bytes) -> None:
    beside = target.with_name(f".{target.name}-pulled-{os.getpid()}")
    try:
        beside.mkdir(parents=True)
        listed = _read(files, f"{there}/{cell_files.FILES}") or b""
        (beside / cell_files.FILES).write_bytes(listed)
        for name in _listed(listed.decode(errors="replace"), there):
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


def _listed(text: str, where: str) -> Iterator[str]:
    """Names in a cell's list of files; ValueError for one that leads out of the cell."""
    for row in csv.DictReader(io.StringIO(text)):
        name = PurePosixPath(row["path"])
        if name.is_absolute() or ".." in name.parts or "\\" in row["path"]:
            raise ValueError(f"{where}/{cell_files.FILES}: {row['path']} is outside of the cell")
        yield row["path"]


def _read(files: Any, path: str) -> bytes | None:
    try:
        found: bytes = files.cat_file(path)
    except FileNotFoundError:
        return None
    return found


def _opened(url: str) -> tuple[Any, str]:
    """The file system behind a URL, and the path there."""
    try:
        files, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{url}: {error}") from None
    return files, str(root).rstrip("/")
