"""Files written whole, and locks among processes on one results root."""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, put in its place when the `with` ends well and removed otherwise.

    A reader sees the old file or the new one, whole, and so it is after a crash of the machine. The name keeps the
    ending of `path`, by which some writers choose a format, and begins with a dot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}-{threading.get_native_id()}-{path.name}")
    try:
        yield beside
        place(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes as one file, see `written`."""
    with written(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


def place(beside: Path, path: Path) -> None:
    """Rename a file, or a folder with all below it, into its place once the disk holds what is in it."""
    for each in [*beside.rglob("*"), beside] if beside.is_dir() else [beside]:
        if not each.is_symlink():
            _sync(each)
    beside.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Wait until the disk holds this file, or the names in this folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Exclusive lock on this file, across processes that share one results root."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def held(path: Path) -> bool:
    """Whether a living process holds the lock on this file; the kernel frees the locks of a dead one."""
    if not path.exists():
        return False
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
