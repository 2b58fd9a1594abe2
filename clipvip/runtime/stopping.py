"""Being asked to stop, by SIGTERM or SIGUSR1: schedulers send one of them before they kill.

Work that can save where it stands does so at its next step; any other is broken off at once, since it saves as it goes.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

EXIT_CODE = 75  # sysexits.h: try again, and it goes on where it stood
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
NOTE = "CLIPVIP_STOPPED"  # names a folder in which a stopped process says so: torchrun does not pass on its exit code


class Stopped(BaseException):
    """Raised where a run was asked to stop; no failure, and what it saved is kept."""


class _Asked:
    """What the handler of the signals and the work share."""

    def __init__(self) -> None:
        self.by: str | None = None
        self.waits = False  # for the next step of the work


_ASKED = _Asked()


@contextmanager
def heeded() -> Iterator[None]:
    """Take the two signals as a request while the `with` lasts; outside of the main thread nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(number, signal.signal(number, _take)) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        _ASKED.by = None


def _take(number: int, _: FrameType | None) -> None:
    _ASKED.by = signal.Signals(number).name
    if not _ASKED.waits:
        raise Stopped(f"stopped by {_ASKED.by}")


@contextmanager
def at_steps() -> Iterator[Callable[[], bool]]:
    """Hold a request back until the work asks for it, once a step; the work then saves and raises `Stopped`."""
    _ASKED.waits = True
    try:
        yield lambda: _ASKED.by is not None
    finally:
        _ASKED.waits = False


def noted() -> None:
    """Leave word, where it is asked for, that this process stopped because it was asked to."""
    if path := os.environ.get(NOTE):
        with contextlib.suppress(OSError):
            Path(path, os.environ.get("RANK", "0")).touch()
