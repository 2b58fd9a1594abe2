"""Lock files of dead processes, on disks without locks of the kernel (see `files.locked`)."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

SOFT = ".soft"  # ending of a lock that is the existence of a file: process id and host, a line each
OLD = 3600.0  # seconds: a lock file being written is younger


def stale(root: Path) -> Iterator[tuple[Path, str]]:
    """Lock files of a results root that nobody holds, and why; those of other machines cannot be told and are left."""
    for path in sorted([*root.glob(f"*{SOFT}"), *root.glob(f"locks/*{SOFT}")]):
        try:
            lines, age = path.read_text(errors="replace").splitlines(), time.time() - path.stat().st_mtime
        except FileNotFoundError:  # let go meanwhile
            continue
        if len(lines) < 2 or not lines[0].isdigit():
            if age > OLD:
                yield path, "a lock file that names no process"
        elif lines[1] == socket.gethostname() and not psutil.pid_exists(int(lines[0])):
            yield path, f"the lock of process {lines[0]}, which is no more"
