"""Files written whole, and locks among processes on one results root."""

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import filelock

WITHOUT_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})  # what a disk without locks says


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
    """Wait until the disk holds this file, or the names in this folder; Windows opens no folder."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Exclusive lock on this file, across processes that share one results root.

    The kernel's, which it frees when a process dies; on a system or disk without them a lock file's (filelock).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            import fcntl

            fcntl.flock(stack.enter_context(path.open("w")), fcntl.LOCK_EX)
        except ImportError:  # Windows
            stack.enter_context(filelock.FileLock(path))
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
            stack.enter_context(_lock_file(path))
        yield


def lock_if_free(path: Path, stack: contextlib.ExitStack) -> bool:
    """Whether the lock on this file could be had without waiting; it is then held until `stack` is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as own:
        try:
            import fcntl

            fcntl.flock(own.enter_context(path.open("w")), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except ImportError:  # Windows
            return _had(filelock.FileLock(path), stack)
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
            return _had(_lock_file(path), stack)
        stack.push(own.pop_all())
    return True


def held(path: Path) -> bool:
    """Whether a living process holds the lock on this file; the kernel frees the locks of a dead one."""
    if not path.exists():
        return False
    with contextlib.ExitStack() as stack:
        try:
            import fcntl

            fcntl.flock(stack.enter_context(path.open("r")), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except ImportError:
            return _taken(filelock.FileLock(path))
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
            return _taken(_lock_file(path))
    return False


def _lock_file(path: Path) -> filelock.BaseFileLock:
    """A lock that is the existence of a file, which is removed where its process is gone."""
    return filelock.SoftFileLock(path.with_name(f"{path.name}.soft"))


def _had(lock: filelock.BaseFileLock, stack: contextlib.ExitStack) -> bool:
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    stack.callback(lock.release)
    return True


def _taken(lock: filelock.BaseFileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True
