"""Memory for pictures: large blocks go back to the system whole, whatever was asked for between them."""

import sys

import psutil
import pytest
import torch

from clipvip.data.room import APART, pictures


@pytest.mark.parametrize("clips", [0, 3, 400])
def test_it_can_be_written_and_read(clips: int) -> None:
    room = pictures((clips, 4, 16, 16, 3))
    assert (room.shape, room.dtype) == ((clips, 4, 16, 16, 3), torch.uint8)
    room[:] = 7
    assert int(room.sum()) == 7 * room.numel()
    assert room.is_contiguous()


def test_parts_outlive_the_whole() -> None:
    part = pictures((2, APART))[1]
    part[:] = 3
    assert int(part.max()) == int(part.min()) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the size of a process is Linux's")
def test_what_is_freed_leaves_no_hole_behind() -> None:
    """Each batch is followed by a small tensor that stays."""
    kept, own = [], psutil.Process()
    before = own.memory_info().rss
    for number in range(100):
        batch = pictures((4, APART))
        batch[:] = number
        kept.append(torch.full((1000,), number))
        del batch
    assert own.memory_info().rss - before < 3 * 4 * APART
    assert sum(int(each[0]) for each in kept) == 4950
