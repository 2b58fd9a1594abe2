"""SHA-256 of every file of a corpus, recorded when it was known good: flipped bits inside a stream may still decode.

`checksums.csv` (path below the root, bytes, sha256) lies at the root of a prepared corpus, and in the folder of a
corpus cell whose setting `checksums` is on.
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipvip.data.media.file_header import VideoError
from clipvip.runtime.files import written

NAME = "checksums.csv"
CHANGED = "changed since its sha256 was recorded"
COLUMNS = ("path", "bytes", "sha256")


@dataclass(frozen=True)
class Sum:
    """What is recorded of one file."""

    bytes: int
    sha256: str


def of(path: Path) -> Sum:
    """The sum of a file as it is now. Raises VideoError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return Sum(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise VideoError(path, error.strerror or str(error)) from None


def write(sums: Mapping[str, Sum], folder: Path) -> None:
    """Write the table into `folder`, in order of path."""
    with written(folder / NAME) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((path, sums[path].bytes, sums[path].sha256) for path in sorted(sums))


def read(folder: Path) -> dict[str, Sum]:
    """Path -> sum of the table in `folder`. ValueError where there is none, or a line of it is broken."""
    path = folder / NAME
    if not path.is_file():
        raise ValueError(f"{path}: no such file; set `checksums: true` of the corpus, or prepare it, to record them")
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if next(rows, None) != list(COLUMNS):
            raise ValueError(f"{path}: line 1: not the header {','.join(COLUMNS)!r}")
        found = {}
        for row in rows:
            if len(row) != len(COLUMNS) or not row[1].isdigit():
                raise ValueError(f"{path}: line {rows.line_num}: expected path,bytes,sha256")
            found[row[0]] = Sum(int(row[1]), row[2])
    return found


class Verifier:
    """Compares files below `root` with the sums recorded in `folder`, each once a process while it is sound."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._sums = read(folder)
        self._root = root
        self._sound: set[str] = set()

    def check(self, path: str) -> None:
        """VideoError where the file changed or is gone, or nothing is recorded of it."""
        if path in self._sound:
            return
        recorded = self._sums.get(path)
        if recorded is None:
            raise VideoError(self._root / path, "no sha256 was recorded of it")
        if of(self._root / path) != recorded:
            raise VideoError(self._root / path, CHANGED)
        self._sound.add(path)
