"""What a finished cell holds, file by file, so that a bit that flips or a file that is cut later on is found and named.

files.csv lists path, size [bytes], time [ns] and SHA-256 of every file when the cell was made. The cheap check compares
sizes and times and reads what differs in one of them; the full one reads everything.
"""

import contextlib
import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from clipvip.runtime import cell_files
from clipvip.runtime.files import written

COLUMNS = ("path", "size", "time_ns", "sha256")
# Times of the clock, and what only a later cell of the same stage asks: no stage reads them.
OF_RUN = frozenset({cell_files.SYSTEM, cell_files.HISTORY, cell_files.SHOWN})
CHUNK = 1 << 20


def record(folder: Path) -> str:
    """Write files.csv of a folder whose files are all there; the digest of its results."""
    results, rows = hashlib.sha256(), [COLUMNS]
    for name, path in _files(folder):
        found, sha256 = path.stat(), _sha256(path)
        rows.append((name, str(found.st_size), str(found.st_mtime_ns), sha256))
        if name not in OF_RUN:
            results.update(f"{sha256} {name}\n".encode())
    _write(folder, rows)
    return results.hexdigest()


def damage(folder: Path, *, verify: bool = False, top_only: bool = False) -> str | None:
    """The first file that is gone, cut or altered since `record`, and how; None where none is, or nothing was recorded.

    With `verify` every file is read, otherwise those of another size or time; `top_only` leaves out folders inside.
    """
    try:
        with open(folder / cell_files.FILES, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, csv.Error):
        return f"{folder / cell_files.FILES} cannot be read"
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        return f"{folder / cell_files.FILES} is cut"
    other_times = False
    for row in rows[1:]:
        name, size, time_ns, sha256 = row
        if top_only and "/" in name:
            continue
        path = folder / name
        try:
            found = path.stat()
        except OSError:
            return f"{path} is gone"
        if found.st_size != int(size):
            return f"{path} has {found.st_size} bytes and was made with {size}"
        if verify or found.st_mtime_ns != int(time_ns):
            if _sha256(path) != sha256:
                return f"{path} was altered: its SHA-256 is another"
            other_times |= found.st_mtime_ns != int(time_ns)
            row[2] = str(found.st_mtime_ns)
    if other_times:  # a copy: remember its times, unless it may only be read
        with contextlib.suppress(OSError):
            _write(folder, rows)
    return None


def unlisted(folder: Path) -> list[Path]:
    """Files that were not there when the cell was made; none where nothing was recorded."""
    try:
        with open(folder / cell_files.FILES, newline="", encoding="utf-8") as file:
            listed = {row[0] for row in csv.reader(file) if row}
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return [path for name, path in _files(folder) if name not in listed]


def _write(folder: Path, rows: Iterable[Sequence[object]]) -> None:
    with written(folder / cell_files.FILES) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files below a folder by relative path, but for the receipt and the list itself."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    yield from sorted(
        (name, path) for name, path in found.items() if name not in (cell_files.RECEIPT, cell_files.FILES)
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
