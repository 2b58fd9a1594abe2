"""Batches read ahead by several processes, within a bound in bytes (paper section 4.1: 1,024 clips of 12 frames).

A batch is cut into parts, and a process reads a part into a slot of memory that all of them share. The slots are all
that is read ahead: as many as the bound allows, used in turn. A batch is put together from its slots, on the device of
the training; for a GPU the slots are pinned, and the next batch is copied while the present one is computed.
"""

import gc
import math
import shutil
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from clipvip.data.batches import Batch, Batches, Part
from clipvip.data.room import pictures
from clipvip.runtime.distributed import share

SPARE = 2  # slots besides those that are being read or wait: what is copied out of them may still be on its way
SHARED = Path("/dev/shm")  # Linux: what processes share lies there
PORTABLE = 1  # cudaHostRegisterPortable

Task = tuple[int, int, list[int]]  # slot, epoch, positions of the clips


@dataclass(frozen=True)
class Plan:
    """How a batch is cut up: `rows` clips a part, read into one of `slots`, `ahead` parts waiting for each process."""

    rows: int
    slots: int
    ahead: int


def plan(clips: int, clip_bytes: int, workers: int, bound: int | None, micro_batch: int | None) -> Plan:
    """The largest parts of a batch of `clips` that all `workers` can read at once within `bound` bytes (None: no
    bound); two batches are read ahead at most. ValueError for a bound that does not hold a clip for each worker."""
    rows = max(1, min(micro_batch or clips, math.ceil(clips / workers)))
    if bound is not None:
        held = bound // clip_bytes
        if held < workers + SPARE:
            least = math.ceil((workers + SPARE) * clip_bytes / 1e6)
            raise ValueError(
                f"run.loader_mb: {bound / 1e6:.0f} MB are too little for {workers} workers and clips of "
                f"{clip_bytes / 1e6:.1f} MB; give at least {least}, or fewer workers"
            )
        rows = max(1, min(rows, held // (2 * workers + SPARE)))
    ahead = max(1, math.ceil(2 * math.ceil(clips / rows) / workers))
    if bound is not None:
        ahead = max(1, min(ahead, (held // rows - SPARE) // workers))
    return Plan(rows, workers * ahead + SPARE, ahead)


def stream(
    batches: Batches,
    start: int,
    stop: int,
    workers: int,
    *,
    bound: int | None = None,
    micro_batch: int | None = None,
    device: torch.device | None = None,
) -> Iterator[Batch]:
    """Batches `start` to `stop` on `device` (None: the CPU), read ahead by `workers` processes (0: in this one).

    `bound`: bytes of frames that may be read ahead. Raises ValueError when more clips are in quarantine than the corpus
    allows.
    """
    if workers == 0:
        for step in range(start, stop):
            batch = batches[step]
            _check(batches)
            yield batch if device is None else batch.to(device)
        return
    own = share(batches.size, *batches.part)
    clip_bytes = math.prod(batches.pictures_of(1)) + math.prod(batches.pictures_of(1, still=True))
    chosen = plan(own.stop - own.start, clip_bytes, workers, bound, micro_batch)
    coming = _Coming(batches, range(start, stop), workers, chosen, device)
    yield from _copied_ahead(coming) if device is not None and device.type == "cuda" else coming


def _copied_ahead(coming: "_Coming") -> Iterator[Batch]:
    """Each batch is copied to the GPU by a thread, on a stream of its own, while the one before it is computed."""
    device = coming.device
    aside = torch.cuda.Stream(device)

    def copied() -> tuple[Batch, torch.cuda.Event] | None:
        with torch.cuda.device(device), torch.cuda.stream(aside):
            batch = next(waiting, None)
            return None if batch is None else (batch, aside.record_event())

    with _pinned(coming.slots), _pinned(coming.stills), ThreadPoolExecutor(1) as thread:
        waiting = iter(coming)
        ahead = thread.submit(copied)
        while (found := ahead.result()) is not None:
            ahead = thread.submit(copied)
            batch, there = found
            now = torch.cuda.current_stream(device)
            now.wait_event(there)
            for tensor in batch.tensors():
                tensor.record_stream(now)
            yield batch


class _Tasks:
    """What the processes are told to read, in order; slots are used in turn."""

    def __init__(self, batches: Batches, steps: range, chosen: Plan) -> None:
        self._batches, self._steps, self._plan = batches, steps, chosen

    def of(self, step: int) -> list[tuple[int, list[int]]]:
        """(epoch, positions) of each part of a step."""
        epoch, positions = self._batches.drawn(step)
        rows = self._plan.rows
        return [(epoch, positions[at : at + rows]) for at in range(0, len(positions), rows)]

    def __iter__(self) -> Iterator[Task]:
        number = 0
        for step in self._steps:
            for epoch, positions in self.of(step):
                yield number % self._plan.slots, epoch, positions
                number += 1


class _Reader(Dataset[tuple[int, Part]]):
    """Runs in the processes: reads what a task says into its slot."""

    def __init__(self, batches: Batches, slots: Tensor, stills: Tensor) -> None:
        self._batches, self._slots, self._stills = batches, slots, stills

    def __getitem__(self, task: Task) -> tuple[int, Part]:
        slot, epoch, positions = task
        return slot, self._batches.read(epoch, positions, self._slots[slot], self._stills[slot])


class _Coming:
    """Batches one after the other, put together on the device out of the slots that the processes fill."""

    def __init__(self, batches: Batches, steps: range, workers: int, chosen: Plan, device: torch.device | None) -> None:
        self.device = device
        self._batches, self._steps, self._tasks = batches, steps, _Tasks(batches, steps, chosen)
        self.slots = _shared(chosen.slots, batches.pictures_of(chosen.rows))
        self.stills = _shared(chosen.slots, batches.pictures_of(chosen.rows, still=True))
        loader = DataLoader(
            _Reader(batches, self.slots, self.stills),
            batch_size=None,
            sampler=self._tasks,
            num_workers=workers,
            prefetch_factor=chosen.ahead,
            worker_init_fn=_left_alone,
            generator=torch.Generator(),  # it draws a seed at its start; from here, so that a resumed run draws no more
        )
        self._parts = iter(loader)  # starts the processes, before any memory is pinned

    def __iter__(self) -> Iterator[Batch]:
        return map(self._put_together, self._steps)

    def _put_together(self, step: int) -> Batch:
        """A slot is asked to be filled again once what was copied from it has arrived."""
        batches, tasks, told = self._batches, self._tasks.of(step), list[Part]()
        clips = sum(len(positions) for _, positions in tasks)
        video, frame = (pictures(batches.pictures_of(clips, still=still), self.device) for still in (False, True))
        under_way: deque[torch.cuda.Event] = deque()
        row = 0
        for _, positions in tasks:
            if len(under_way) == SPARE:
                under_way.popleft().synchronize()
            slot, part = next(self._parts)
            rows, count = slice(row, row + len(positions)), len(positions)
            video[rows].copy_(self.slots[slot, :count], non_blocking=True)
            frame[rows].copy_(self.stills[slot, :count], non_blocking=True)
            if video.is_cuda:
                arrived = torch.cuda.Event(blocking=True)  # who waits leaves the core to those that read
                under_way.append(torch.cuda.current_stream(self.device).record_event(arrived))
            told.append(part)
            row += count
        for event in under_way:
            event.synchronize()
        _check(batches)
        batch = batches.joined(video, frame, told)
        return batch if self.device is None else batch.to(self.device)


def _left_alone(_: int) -> None:
    """What a process was born with is not looked through for what may go: it would copy all of it, and all processes
    would do so at about the same time."""
    gc.freeze()


def _check(batches: Batches) -> None:
    if batches.clips.quarantine is not None:
        batches.clips.quarantine.stop_if_too_many(len(batches.clip_ids))


def _shared(slots: int, shape: tuple[int, ...]) -> Tensor:
    """Memory that processes share, no page of it touched yet: UInt8[slots, *shape]."""
    size = slots * math.prod(shape)
    if SHARED.is_dir() and size > (free := shutil.disk_usage(SHARED).free):
        raise ValueError(
            f"{SHARED}: {free / 1e6:.0f} MB free, reading ahead wants {size / 1e6:.0f}: give less as run.loader_mb"
        )
    storage = torch.UntypedStorage._new_shared(max(size, 1))
    return torch.empty(0, dtype=torch.uint8).set_(storage, 0, (slots, *shape))  # type: ignore[call-overload,no-any-return]


@contextmanager
def _pinned(memory: Tensor) -> Iterator[None]:
    """Shared memory from which a GPU copies by itself while the `with` lasts; said aloud where it cannot be had."""
    if not memory.numel():
        yield
        return
    cudart = torch.cuda.cudart()
    failed = int(cudart.cudaHostRegister(memory.data_ptr(), memory.numel(), PORTABLE))
    if failed:
        print(f"frames go to the GPU from memory that is not pinned: CUDA error {failed}", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if not failed:
            torch.cuda.synchronize()
            cudart.cudaHostUnregister(memory.data_ptr())
