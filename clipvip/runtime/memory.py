"""How the C library treats memory that is freed."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST, FREE = 2**26, 2**28  # [bytes]


def keep_freed() -> None:
    """Blocks of up to 64 MiB are taken from what was freed before, of which up to 256 MiB stay with the process.

    Otherwise tensors of some MiB are given back and asked for again, and the system clears every page anew. Elsewhere
    than with glibc nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, FREE)
