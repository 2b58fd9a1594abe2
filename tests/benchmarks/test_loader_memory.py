"""Memory of reading ahead at the paper's shape, of all processes together: batches of 1,024 clips, 12 frames and the
middle one of 224 px, 12 workers. What several share counts once (Linux's proportional set size).
"""

import threading
import time
from pathlib import Path

import gpu_data
import psutil
import pytest

from clipvip.data.loader import stream

WANTED = 16e9  # bytes


class Peak:
    """The largest sum over this process and its children while the `with` lasts [bytes]."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        own = psutil.Process()
        while not self._over.wait(0.3):
            self.bytes = max(self.bytes, sum(map(_proportional, [own, *own.children(recursive=True)])))


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def read(folder: Path, clips: int, *, size: int, frames: int, workers: int, steps: int, bound: int | None) -> float:
    """Peak of streaming so many batches of all clips, over what this process took before; prints a line."""
    corpus = gpu_data.shards(folder, clips, frames=frames + 1, size=size)
    pieces = gpu_data.tokenizer()
    batches = gpu_data.batches(corpus, pieces, size=size, frames=frames, batch_size=clips, shuffle=None)
    before, began = _proportional(psutil.Process()), time.perf_counter()
    with Peak() as peak:
        for batch in stream(batches, 0, steps, workers, bound=bound):
            assert batch.video.shape == (clips, frames, size, size, 3)
            time.sleep(1.0 if steps > 1 else 0.0)  # as if it were trained on: the processes read ahead
    seconds = time.perf_counter() - began
    said = "none" if bound is None else f"{bound / 1e9:.2g} GB"
    print(
        f"\nbatch {clips}, {frames} frames of {size} px and the middle one, {workers} workers, bound {said}: "
        f"{(peak.bytes - before) / 1e9:.2f} GB, {clips * steps / seconds:.0f} clips/s"
    )
    return float(peak.bytes - before)


@pytest.mark.slow  # two minutes, 10 GB of memory
@pytest.mark.filterwarnings("ignore:This DataLoader will create 12 worker processes")
@pytest.mark.parametrize(("clips", "bound"), [(512, None), (1024, 2_000_000_000), (1024, None)])
def test_the_paper_s_batch(tmp_path: Path, clips: int, bound: int | None) -> None:
    found = read(tmp_path, clips, size=224, frames=12, workers=12, steps=4, bound=bound)
    whole = clips * 13 * 224 * 224 * 3  # bytes of a batch: 2.0 GB
    assert found < WANTED
    assert found < 2 * whole + (bound or 2.4 * whole) + 12 * 200e6  # two batches, what is read ahead, the processes


def test_a_small_batch(tmp_path: Path) -> None:
    assert read(tmp_path, 8, size=32, frames=3, workers=2, steps=1, bound=None) < 2e9
