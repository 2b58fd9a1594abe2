"""Python's collector looks through all objects every so often, which after compiling takes most of a second: a GPU
stands still for that long, and forked processes copy what they look through."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def settled(device: str) -> Iterator[Callable[[], None]]:
    """Yields what to call after each step: on a GPU the collector leaves alone, while the `with` lasts, all that is
    there after the first one."""
    left = 1 if device.startswith("cuda") else 0

    def settle() -> None:
        nonlocal left
        if left:
            left = 0
            gc.collect()
            gc.freeze()

    try:
        yield settle
    finally:
        if device.startswith("cuda"):
            gc.unfreeze()
