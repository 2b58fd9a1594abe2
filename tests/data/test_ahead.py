"""What processes read ahead is what is read in turn."""

import os

import numpy as np
import pytest
import torch

from clipvip.data.ahead import read_ahead
from clipvip.data.media.file_header import VideoError


def read(item: int) -> tuple[np.ndarray, int]:
    if item % 3 == 0:
        raise VideoError(f"{item}.mp4", "cut")
    return np.full((2, 3), item, dtype=np.uint8), os.getpid()


@pytest.mark.parametrize("workers", [0, 2])
def test_items_come_in_order_with_the_reason_of_those_that_cannot_be_read(workers: int) -> None:
    state = torch.get_rng_state()
    found = list(read_ahead(read, range(1, 8), workers))
    assert torch.equal(torch.get_rng_state(), state), "nothing is drawn from what training draws from"
    for item, each in zip(range(1, 8), found, strict=True):
        if isinstance(each, VideoError):
            assert (item % 3, str(each)) == (0, f"{item}.mp4: cut")
        else:
            assert each[0].tolist() == [[item] * 3] * 2
    processes = {each[1] for each in found if not isinstance(each, VideoError)}
    assert (os.getpid() in processes, len(processes)) == ((True, 1) if workers == 0 else (False, 2))
