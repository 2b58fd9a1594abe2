"""One attempt of a job: its command as a process that is asked to save and stop before its time is over.

The process dies with this one, is sent SIGTERM where it is to stop (torchrun passes that on), and is killed with all
that it started where it does not in time.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from clipvip.runtime import stopping, warm

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux
END = "the end of its time"
SHARE, LONGEST = 0.1, 300.0  # of an attempt, and seconds at most, that it has to save before its end


@dataclass(frozen=True)
class Ended:
    """How an attempt ended."""

    code: int
    asked: str | None  # why it was asked to stop: a signal that came here, or END
    noted: bool  # all its processes say that they were asked, by whomever
    out_of_memory: bool  # the kernel killed a process of this control group for memory

    @property
    def stopped(self) -> bool:
        """Whether it ended because it was asked to; what it had saved is kept."""
        return self.code != 0 and (self.asked is not None or self.noted or self.code == stopping.EXIT_CODE)


def attempt(
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: float | None,
    told: Callable[[str], None],
    processes: int = 1,
) -> Ended:
    """Run a command with these additions to the environment, for at most so many seconds; how it ended.

    `told` is called at once where a signal asks this process to end. `processes`: that torchrun starts.
    """
    before = _killed_for_memory()
    with tempfile.TemporaryDirectory(prefix="clipvip-") as folder:
        own = os.environ | dict(environment) | {stopping.NOTE: folder}
        with _Watched(told) as watched, watched.started(command, own, seconds) as process:
            code = process.wait()
        code = code if code >= 0 else 128 - code
        noted = len(list(Path(folder).glob("*"))) >= processes  # none where whoever tidies TMPDIR took the folder
        return Ended(code, watched.asked, noted, _killed_for_memory() > before)


class _Watched:
    """The process, the signals that ask it to end, and the clock that does."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.asked: str | None = None
        self._told = told
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Watched":
        self._before = [(number, signal.signal(number, self._take)) for number in (*stopping.SIGNALS, signal.SIGINT)]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    @contextlib.contextmanager
    def started(
        self, command: Sequence[str], environment: dict[str, str], seconds: float | None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The process, and the clock that asks it to stop and then kills it."""
        die = _dying() if sys.platform == "linux" else None
        self._process = subprocess.Popen(found(command), env=environment, preexec_fn=die)
        if self.asked is not None:
            self._stop()
        clocks = (
            []
            if seconds is None
            else [
                threading.Timer(max(0.0, seconds - margin(seconds)), self._ask_to_stop, [END]),
                threading.Timer(seconds, self._kill),
            ]
        )
        for clock in clocks:
            clock.daemon = True
            clock.start()
        try:
            yield self._process
        finally:
            for clock in clocks:
                clock.cancel()

    def _take(self, number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGINT:  # of a terminal: the process has seen it itself
            self.asked = name
        else:
            self._ask_to_stop(name)
        self._told(name)

    def _ask_to_stop(self, why: str) -> None:
        self.asked = why
        self._stop()

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(self._process.pid)
            for process in [own, *own.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def margin(seconds: float) -> float:
    """Seconds before the end of an attempt at which it is asked to save and stop."""
    return min(LONGEST, SHARE * seconds)


def found(command: Sequence[str]) -> list[str]:
    """The command with the path of its program, which is looked for beside this Python first. ValueError: none."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which(command[0], path=beside)
    if program is None:
        raise ValueError(f"launch: {command[0]!r} is no program here; give one after --, such as: clipvip run <spec>")
    return [program, *command[1:]]


def _dying() -> Callable[[], None]:
    """What makes a child of this process be told to stop when this one is gone, however that ends."""
    library = ctypes.CDLL(None)
    return lambda: library.prctl(DIE_WITH_PARENT, signal.SIGTERM)


def _killed_for_memory() -> int:
    """How often the kernel has killed for memory in this process's control group (version 2); 0 where it has none."""
    try:
        place = Path("/proc/self/cgroup").read_text().splitlines()[-1].partition("::")[2]
        counts = (Path("/sys/fs/cgroup") / place.lstrip("/") / "memory.events").read_text().split()
        return int(counts[counts.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return 0


def threads_each(processes: int) -> dict[str, str]:
    """The environment that gives each of several processes its part of the threads of a job."""
    given = {name: os.environ[name] for name in warm.THREADS if os.environ.get(name, "").isdigit()}
    return {name: str(max(1, int(value) // processes)) for name, value in given.items()}
