"""Finished cells behind a URL that fsspec opens, such as a bucket: one is copied there once, and brought from there.

A cell lies there as it does in a results folder. Its receipt comes last, so that one that was copied in part is none;
what is brought is compared with its SHA-256, file by file, before it takes its place.
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from clipvip.pipeline.store import changed_inputs, failure_path, folder
from clipvip.runtime import cell_content, cell_files
from clipvip.runtime.files import place

LARGEST = 1 << 28  # bytes of a receipt, which may name a million clips, and of a list of files
AGAIN = "`clipvip push --again` copies it once more"


class ObjectStore:
    """The cells behind a URL. ValueError: no such store."""

    def __init__(self, url: str) -> None:
        import fsspec  # a moment that only those who have a store wait

        self.url = url
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ValueError(f"{url}: {error}") from None
        self._root = str(root).rstrip("/")

    def check(self) -> None:
        """ValueError where nothing can be written."""
        try:
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(f"{self._root}/.clipvip", b"cells of clipvip\n")
        except Exception as error:  # each kind of store has its own
            raise ValueError(
                f"{self.url}: nothing can be written there: {str(error) or type(error).__name__}"
            ) from None

    def give(self, root: Path, name: str, *, again: bool = False) -> bool:
        """Copy a finished cell there; False where the same is there and not wanted `again`."""
        own, there = folder(root, name), self._at(name)
        receipt = (own / cell_files.RECEIPT).read_bytes()
        found = self._read(f"{there}/{cell_files.RECEIPT}")
        if found is not None and not again and _same(found, receipt):
            return False
        if found is not None:  # it ends before its files do
            self._files.rm_file(f"{there}/{cell_files.RECEIPT}")
        for path in [*dict(_listed((own / cell_files.FILES).read_text(), str(own))), cell_files.FILES]:
            self._files.makedirs(f"{there}/{path}".rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(own / path), f"{there}/{path}")
        self._files.pipe_file(f"{there}/{cell_files.RECEIPT}", receipt)
        return True

    def take(self, root: Path, name: str, lineage: str, inputs: Mapping[str, str]) -> bool:
        """Bring the cell that `lineage` made of `inputs` as they lie here; False where it is not there.

        The caller holds its lock. ValueError: what came is not what was given.
        """
        there = self._at(name)
        receipt = self._read(f"{there}/{cell_files.RECEIPT}")
        if receipt is None or not _would_be_fresh(root, lineage, inputs, receipt, there):
            return False
        self._bring(there, folder(root, name), receipt)
        failure_path(root, name).unlink(missing_ok=True)
        return True

    def forget(self, name: str) -> None:
        """Let a cell that came to harm there count as not there."""
        self._files.rm_file(f"{self._at(name)}/{cell_files.RECEIPT}")

    def _at(self, name: str) -> str:
        return f"{self._root}/cells/{name}"

    def _bring(self, there: str, target: Path, receipt: bytes) -> None:
        beside = target.with_name(f".{target.name}-pulled-{os.getpid()}")
        try:
            beside.mkdir(parents=True)
            listed = self._read(f"{there}/{cell_files.FILES}") or b""
            (beside / cell_files.FILES).write_bytes(listed)
            for name, size in _listed(listed.decode(errors="replace"), there):
                if (found := self._files.size(f"{there}/{name}")) != size:  # before it fills the disk
                    raise ValueError(f"{there}/{name} has {found} bytes and was made with {size}; {AGAIN}")
                (beside / name).parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(f"{there}/{name}", str(beside / name))
            (beside / cell_files.RECEIPT).write_bytes(receipt)
            if (why := cell_content.damage(beside, verify=True)) is not None:
                raise ValueError(f"{there}: {why}; {AGAIN}")
            if target.exists():
                shutil.rmtree(target)
            place(beside, target)
        except FileNotFoundError as error:
            raise ValueError(f"{there}: {error} is gone; {AGAIN}") from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _read(self, path: str) -> bytes | None:
        """A receipt or a list of files; None where it is not there. ValueError for one that no cell of ours has."""
        try:
            found: bytes = self._files.cat_file(path, start=0, end=LARGEST + 1)
        except FileNotFoundError:
            return None
        if len(found) > LARGEST:
            raise ValueError(f"{path}: more than {LARGEST / 1e6:.0f} MB; no cell has that")
        return found


def _parsed(receipt: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(receipt)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("read", {}), dict | None) else None


def _same(there: bytes, here: bytes) -> bool:
    """Whether two sites made the same; when, and on which machine, does not matter."""
    kept = ("lineage", "inputs", "read", "content")
    found, own = _parsed(there), _parsed(here)
    return found is not None and own is not None and all(found.get(key) == own.get(key) for key in kept)


def _would_be_fresh(root: Path, lineage: str, inputs: Mapping[str, str], receipt: bytes, where: str) -> bool:
    """Whether it was made by today's code from what the inputs hold here. ValueError for what is no receipt."""
    if (found := _parsed(receipt)) is None:
        raise ValueError(f"{where}/{cell_files.RECEIPT}: no receipt of a cell; {AGAIN}")
    return found.get("lineage") == lineage and found.get("inputs") == inputs and not changed_inputs(root, found)


def _listed(text: str, where: str) -> Iterator[tuple[str, int]]:
    """Names and sizes in a cell's list of files; ValueError for one that leads out of the cell, and for no list."""
    try:
        rows = [(row["path"], int(row["size"])) for row in csv.DictReader(io.StringIO(text))]
    except (KeyError, TypeError, ValueError, csv.Error):
        raise ValueError(f"{where}/{cell_files.FILES}: no list of a cell's files; {AGAIN}") from None
    for path, size in rows:
        name = PurePosixPath(path)
        if not name.parts or name.is_absolute() or ".." in name.parts or {"\\", "\0", ":"} & set(path):
            raise ValueError(f"{where}/{cell_files.FILES}: {path!r} is outside of the cell")
        yield path, size
