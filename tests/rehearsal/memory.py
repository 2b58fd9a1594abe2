"""The most memory that a command and all that it starts hold together."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

EVERY = 1.0  # seconds between two looks


@dataclass
class Peak:
    """Bytes, and how many processes shared them."""

    held: int = 0
    processes: int = 0


@contextlib.contextmanager
def watched(pid: int) -> Iterator[Peak]:
    """The peak of process `pid` and its descendants while the `with` lasts."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.is_set():
            held = [each for each in map(_held, _family(pid)) if each]
            if sum(held) > peak.held:
                peak.held, peak.processes = sum(held), len(held)
            time.sleep(EVERY)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        own = psutil.Process(pid)
        return [own, *own.children(recursive=True)]
    return []


def _held(process: psutil.Process) -> int:
    """Its proportional set size in bytes: of pages that n processes share, each has an nth. Elsewhere its RSS."""
    with contextlib.suppress(psutil.Error):
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    return 0
