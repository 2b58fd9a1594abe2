"""Memory for the pictures of a batch."""

import math
import mmap

import torch
from torch import Tensor

APART = 2**20  # [bytes] from here on a block is mapped apart


def pictures(shape: tuple[int, ...], device: torch.device | None = None) -> Tensor:
    """UInt8[*shape], not yet written.

    On the CPU large blocks are mapped apart from the heap and given back whole. In the heap small ones would begin to
    fill the hole that a batch leaves: the next batch does not fit, and the process grows.
    """
    size = math.prod(shape)
    if size < APART or not hasattr(mmap, "MAP_PRIVATE") or (device is not None and device.type != "cpu"):
        return torch.empty(shape, dtype=torch.uint8, device=device)
    own = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(own, dtype=torch.uint8).view(shape)
