"""What a job takes of the machine while it makes a cell: system.csv (second, cpu_percent, memory_mb, gpu_memory_mb).

The process and those it started, sampled by a thread; 100 % is one core kept busy. Samples grow apart, from one second
to thirty, so that a week is a short file.
"""

import contextlib
import csv
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import psutil

COLUMNS = ("second", "cpu_percent", "memory_mb", "gpu_memory_mb")
FIRST, LAST = 1.0, 30.0  # seconds between samples
MB = 1 << 20


class Usage:
    """Samples while the `with` lasts, and once at its end."""

    def __init__(self, path: Path) -> None:
        self._path, self._over = path, threading.Event()
        self._thread = threading.Thread(target=self._sample, name="usage", daemon=True)

    def __enter__(self) -> "Usage":
        self._began = self._clock = time.perf_counter()
        self._busy = _busy(_tree())
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        with contextlib.suppress(OSError):  # a full disk ends the samples, not the work
            self._write()

    def _write(self) -> None:
        wait = FIRST
        with open(self._path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            over = False
            while not over:
                over = self._over.wait(wait)
                writer.writerow(self._row())
                file.flush()
                wait = min(LAST, 1.2 * wait)

    def _row(self) -> list[str]:
        tree, now = _tree(), time.perf_counter()
        busy = _busy(tree)
        percent = 100 * max(0.0, busy - self._busy) / max(1e-3, now - self._clock)
        second, self._clock, self._busy = now - self._began, now, busy
        return [f"{second:.1f}", f"{percent:.0f}", f"{_memory(tree) / MB:.0f}", _gpu()]


def _tree() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _busy(tree: list[psutil.Process]) -> float:
    """Seconds of processor time; what ended processes took is lost."""
    return sum(_seconds(process) for process in tree)


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended meanwhile
        return 0.0
    return float(times.user + times.system)


def _memory(tree: list[psutil.Process]) -> int:
    """Resident bytes; pages that processes share count for each."""
    total = 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def _gpu() -> str:
    """Megabytes that torch holds on its GPU; empty where it uses none, or is still being imported by another thread."""
    torch = sys.modules.get("torch")
    if torch is None or getattr(torch.__spec__, "_initializing", False):
        return ""
    cuda = sys.modules.get("torch.cuda")  # not by way of torch, which may be half there
    if cuda is None or getattr(cuda.__spec__, "_initializing", False):
        return ""
    return f"{cuda.memory_reserved() / MB:.0f}" if cuda.is_initialized() else ""
