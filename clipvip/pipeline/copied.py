"""Times of a results folder that was copied. Snakemake goes by them, and a plain `cp -r` gives all files new ones in
the order of copying: what is made of others would look older than they.

A workflow that ends writes down the times of what it looks at, in a file whose own time stands in it; where that
differs the folder was copied, and the times are put back. While a workflow runs there is no such file.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipvip.results import study_files
from clipvip.runtime.files import written
from clipvip.runtime.receipts import read_json

COARSE = 10**9  # nanoseconds: a disk may keep whole seconds only


def remember(root: Path, home: Path) -> None:
    """Write down the times of all that the workflow of the experiment in `home` has made below `root`."""
    times = {str(path.relative_to(root)): _of(path) for path in _files(root, home)}
    with contextlib.suppress(OSError), written(home / study_files.TIMES) as beside:
        own = time.time_ns()
        beside.write_text(json.dumps({"own": own, "times": times}))
        os.utime(beside, ns=(own, own))


def forget(home: Path) -> None:
    """A workflow begins: from now on times say what they say."""
    with contextlib.suppress(OSError):
        (home / study_files.TIMES).unlink(missing_ok=True)


def restore(root: Path, home: Path) -> int:
    """Give the files of a copy, where their sizes are the same, the times of the original; how many."""
    known: Any = read_json(home / study_files.TIMES)
    try:
        own, times = int(known["own"]), dict(known["times"])
        if (home / study_files.TIMES).stat().st_mtime_ns in (own, own // COARSE * COARSE):
            return 0
        found = [path for path in _files(root, home) if _differs(path, times.get(str(path.relative_to(root))))]
        for path in found:
            _set(path, int(times[str(path.relative_to(root))][1]))
        _set(home / study_files.TIMES, own)
    except (OSError, TypeError, ValueError, KeyError):  # none, cut, or on a disk that may only be read
        return 0
    return len(found)


def _files(root: Path, home: Path) -> Iterator[Path]:
    for place in (root / "jobs", home):
        yield from (path for path in sorted(place.rglob("*")) if path.is_file() and path.name != study_files.TIMES)
    yield from (path for path in root.glob("*.created"))


def _of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _differs(path: Path, known: Any) -> bool:
    size, time_ns = _of(path)
    return known is not None and size == known[0] and time_ns != known[1]


def _set(path: Path, time_ns: int) -> None:
    os.utime(path, ns=(time_ns, time_ns))
