"""Life signs of processes that work together: who waits knows a slow one from a stuck one.

Each process has a thread that says every few seconds that it lives, and says itself where its work has moved. They go
through the store by which torchrun's processes find each other.
"""

import contextlib
import threading
import time
from collections.abc import Iterable

import torch.distributed as dist

PARTS = 20  # signs in the time after which a silent process is stuck
SOON, LATE = 0.001, 0.2  # seconds between looks of who waits; they grow


class Stuck(ValueError):
    """A process has given no sign for so long that it will give none."""


class Heartbeat:
    """This process's signs, and the waiting for others, over two connections to the store: each blocks its own."""

    def __init__(self, signs: dist.Store, words: dist.Store, rank: int, size: int, seconds: float) -> None:
        self._signs, self._words = signs, words
        self._rank, self._size, self._seconds = rank, size, seconds
        self._over, self._said, self._met = threading.Event(), 0, 0
        self._moves, self._moved_at = 0, 0.0
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        count, pause = 0, self._seconds / PARTS
        while not self._over.is_set():
            with contextlib.suppress(dist.DistError):  # the store is gone, and with it whoever asks
                self._signs.set(f"lives/{self._rank}", str(count))
            count += 1
            self._over.wait(pause)

    def moved(self) -> None:
        """Say that the work of this process goes on; called as often as it does."""
        if time.monotonic() - self._moved_at > self._seconds / PARTS:
            self._moves, self._moved_at = self._moves + 1, time.monotonic()
            self._words.set(f"moves/{self._rank}", str(self._moves))

    def first(self, value: int) -> int:
        """What the first process says, however long it works before it does, as long as it lives."""
        self._said += 1
        key = f"said/{self._said}"
        if self._rank == 0:
            self._words.set(key, str(int(value)))
            return value
        self._wait({0: key}, "lives")
        return int(self._words.get(key))

    def together(self) -> None:
        """Wait until all processes have come here, as long as the work of the others moves."""
        self._met += 1
        self._meet(f"met/{self._met}", "moves")

    def leave(self) -> None:
        """Wait until all have come to their end: the first may hold the store."""
        self._meet("left", "lives")

    def _meet(self, place: str, sign: str) -> None:
        keys = {rank: f"{place}/{rank}" for rank in range(self._size)}
        self._words.set(keys[self._rank], "")
        self._wait(keys, sign)

    def _wait(self, keys: dict[int, str], sign: str) -> None:
        """Until these keys are there. `Stuck` where a process that has not set its own gives no sign for too long."""
        last = {rank: ("", time.monotonic()) for rank in keys}
        pause = SOON
        while missing := [rank for rank, key in keys.items() if not self._words.check([key])]:
            now = time.monotonic()
            for rank, seen in zip(missing, self._seen(missing, sign), strict=True):
                if seen != last[rank][0]:
                    last[rank] = (seen, now)
                elif now - last[rank][1] > self._seconds:
                    raise Stuck(
                        f"process {rank} of {self._size} has given no sign for {self._seconds / 60:.3g} minutes; it is "
                        "stuck, or run.stuck_minutes is too short"
                    )
            time.sleep(pause)
            pause = min(LATE, 2 * pause)

    def _seen(self, ranks: Iterable[int], sign: str) -> list[str]:
        found = []
        for rank in ranks:
            key = f"{sign}/{rank}"
            found.append(self._words.get(key).decode() if self._words.check([key]) else "")
        return found
