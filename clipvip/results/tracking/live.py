"""Metrics of a training on their way to a tracker: a thread sends them, and training never waits for it.

What is shown live is a courtesy: history.csv holds all of it, and mirroring a finished cell makes its run anew. So a
tracker that is slow or away costs nothing but the view.
"""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

EVERY = 2.0  # seconds between two batches
PAUSE = 60.0  # seconds, at most, before the next attempt where one failed
PATIENCE = 5.0  # seconds that the end of a training waits for what is on its way

Values = dict[str, float | int]
Row = tuple[int, float, Values]  # step, seconds since the epoch, metrics


@runtime_checkable
class Sink(Protocol):
    """Where rows go; each call may take its time, or raise."""

    def send(self, rows: list[Row]) -> None:
        """Take these rows."""

    def end(self, *, failed: bool) -> None:
        """There are no more."""


class Live:
    """Takes rows at once, and sends them in batches from a thread that begins with the first of them."""

    def __init__(self, connect: Callable[[], Sink], what: str) -> None:
        self._connect, self._what = connect, what
        self._rows: queue.SimpleQueue[Row] = queue.SimpleQueue()
        self._over = threading.Event()
        self._failed = False
        self._thread: threading.Thread | None = None

    def log(self, step: int, values: Values) -> None:
        """Hand over the metrics of a step."""
        self._rows.put((step, time.time(), dict(values)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="live", daemon=True)
            self._thread.start()

    def close(self, *, failed: bool = False, patience: float = PATIENCE) -> bool:
        """Let the thread finish, for `patience` seconds at most; whether all was sent."""
        if self._thread is None:
            return True
        self._failed = failed
        self._over.set()
        self._thread.join(patience)
        return not self._thread.is_alive() and self._rows.empty()

    def _work(self) -> None:
        sink: Sink | None = None
        waiting: list[Row] = []
        pause = EVERY
        last = False
        while not last:
            last = self._over.wait(pause)
            with contextlib.suppress(queue.Empty):
                while True:
                    waiting.append(self._rows.get_nowait())
            try:
                sink = sink or self._connect()
                sink.send(waiting)
                waiting, pause = [], EVERY
                if last:
                    sink.end(failed=self._failed)
            except Exception as error:  # whatever a tracker may raise, training goes on
                if pause == EVERY:
                    print(f"{self._what}: {error}", file=sys.stderr, flush=True)
                pause = min(PAUSE, 2 * pause)
        for row in waiting:
            self._rows.put(row)  # not sent


@contextlib.contextmanager
def shown(spec: Path, uri: str | None, experiment: str) -> Iterator[Callable[[int, Values], None] | None]:
    """What a cell's training logs with while it is made, shown at an MLflow store; None where there is none."""
    if uri is None:
        yield None
        return

    def connect() -> Sink:
        from clipvip.results.tracking.mirror import LiveRun  # mlflow takes its seconds to load: in the thread

        return LiveRun(spec, uri, experiment)

    live = Live(connect, f"{spec.stem}: not shown live, training goes on")
    try:
        yield live.log
    except BaseException:
        live.close(failed=True)
        raise
    live.close()
