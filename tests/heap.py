"""A heap full of other rubbish each time, for tests that the same input is written as the same bytes."""

import ctypes
from collections.abc import Iterator

import numpy as np

PERTURB, LARGE = -6, -3  # glibc's M_PERTURB, M_MMAP_THRESHOLD
LARGE_AT_FIRST = 128 * 1024
FILLINGS = (0, 1, 165, 255, 90, 17)  # 0: the memory is handed out as it was left


def rubbish(times: int, seed: int = 0) -> Iterator[int]:
    """Count to `times`; before each step blocks of random sizes are filled and many of them freed.

    With glibc new memory is filled with another byte at each step, that of large blocks too: what reads memory before
    it is written then differs from step to step.
    """
    rng = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    tune = getattr(ctypes.CDLL(None), "mallopt", lambda option, value: 0)
    tune(LARGE, 32 * 1024 * 1024)
    try:
        for step in range(times):
            kept += [rng.integers(256, size=int(2 ** rng.uniform(5, 20)), dtype=np.uint8) for _ in range(24)]
            rng.shuffle(kept)
            del kept[12:]
            tune(PERTURB, FILLINGS[step % len(FILLINGS)])
            yield step
    finally:
        tune(PERTURB, 0)
        tune(LARGE, LARGE_AT_FIRST)
