"""Several processes as one (the paper's batch of 1,024 on few devices; section 4.1): who has which rows, and how
embeddings, gradients and decisions come together. Alone, everything here gives back what it is given.

Every process computes the same loss over all rows, so that the *average* of the processes' gradients is the gradient
of one process holding the whole batch: of the encoders, of which each has seen its own rows, and of the temperature.

A process that is stuck ends all of them within `run.stuck_minutes`: exchanges wait no longer, and who waits for work of
another's own looks for its life signs (heartbeat.py).
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from clipvip.runtime.heartbeat import Heartbeat, Stuck
from clipvip.runtime.options import STUCK_MINUTES

MEETING = timedelta(minutes=10)  # from the start of the first process to that of the last, libraries loaded
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux
_BEATS: list[Heartbeat] = []  # this process's, while it is joined to others


@contextmanager
def joined(device: str, stuck_minutes: float = STUCK_MINUTES) -> Iterator[str]:
    """Joins the processes that torchrun started, where it did; yields this process's device.

    An exchange waits `stuck_minutes` at most.

    `cuda` becomes the GPU of this process. Raises ValueError where several processes are given one GPU by number.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device.startswith("cuda"):
        if device != "cuda":
            raise ValueError(f"--device {device}: several processes each take a GPU of their own; give --device cuda")
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    if sys.platform == "linux":  # torchrun may be killed outright
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
    backend, most_seconds = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", 60 * stuck_minutes
    stores, own, all_of_them = _met()
    within = timedelta(seconds=most_seconds)
    dist.init_process_group(backend, store=stores[0], rank=own, world_size=all_of_them, timeout=within)
    try:
        with Heartbeat(stores[1], stores[2], own, all_of_them, most_seconds) as beats:
            _BEATS.append(beats)
            yield device
            beats.leave()
    finally:
        _BEATS.clear()
        dist.destroy_process_group()


def _met() -> tuple[list[dist.Store], int, int]:
    """Three connections to the store of all processes once all are there, which process this is, and how many."""
    found = [next(rendezvous("env://", timeout=MEETING)) for _ in range(3)]
    (store, own, all_of_them), stores = found[0], [PrefixStore("clipvip", each) for each, *_ in found]
    store.set(f"clipvip/here/{own}", "")
    store.wait([f"clipvip/here/{other}" for other in range(all_of_them)], MEETING)
    return stores, own, all_of_them


@contextmanager
def _in_time() -> Iterator[None]:
    """Say in words that an exchange took too long."""
    try:
        yield
    except RuntimeError as error:
        if "timed out" not in str(error).lower():
            raise
        raise Stuck(
            f"process {rank()} of {size()} waited too long for another one; it is stuck, or run.stuck_minutes is too "
            f"short ({error})"
        ) from None


def size() -> int:
    """How many processes work together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def share(total: int, rank: int, ranks: int) -> slice:
    """The rows of `total` that are a process's own; shares differ by one at most, and in order they are the whole."""
    return slice(total * rank // ranks, total * (rank + 1) // ranks)


def first(value: int) -> int:
    """What the first process says."""
    if size() == 1:
        return value
    if _BEATS:
        return _BEATS[0].first(value)
    said = torch.tensor([value])
    dist.broadcast(said, 0)
    return int(said)


def moved() -> None:
    """Called while a process does its part of shared work: the others then know that it is not stuck."""
    if _BEATS:
        _BEATS[0].moved()


def together() -> None:
    """Wait for all at the end of shared work whose parts may take unlike times; `Stuck` where one does not move."""
    if _BEATS:
        _BEATS[0].together()


def most(value: int) -> int:
    """The largest of what the processes say."""
    if size() == 1:
        return value
    said = torch.tensor([value])
    with _in_time():
        dist.all_reduce(said, dist.ReduceOp.MAX)
    return int(said)


def draw_on(
    random: Shaped[Tensor, "processes state"], cuda: Shaped[Tensor, "processes state"] | None, step: int, device: str
) -> None:
    """Take up this process's random states as a checkpoint has them, of which `cuda` may be None.

    A process that the checkpoint does not know draws from a seed of its number and the step.
    """
    own = rank()
    if own >= len(random):
        torch.manual_seed(torch.initial_seed() + 1_000_003 * own + step)
        return
    torch.set_rng_state(random[own].clone())  # it takes no row of a larger tensor: it crashes
    if cuda is not None and device.startswith("cuda"):
        torch.cuda.set_rng_state(cuda[own].clone(), device)


def spread(tensors: Iterable[Tensor]) -> None:
    """Overwrites `tensors` with those of the first process."""
    if size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def gather(rows: Shaped[Tensor, "own ..."]) -> Shaped[Tensor, "all ..."]:
    """The rows of all processes, in their order; as many as each has. Gradients go back to the own rows.

    The gradient is multiplied by the number of processes, which the average over them takes out again.
    """
    if size() == 1:
        return rows
    if rows.dtype == torch.bool:  # not every backend sends them
        return gather(rows.byte()).bool()
    with _in_time():
        return _Gather.apply(rows)  # type: ignore[no-any-return,no-untyped-call]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(size())]
        dist.all_gather(counts, torch.tensor([len(rows)]))
        lengths = [int(count) for count in counts]
        start = sum(lengths[: rank()])
        ctx.own = slice(start, start + len(rows))
        longest = max(lengths)
        padded = F.pad(rows, (*(0, 0) * (rows.dim() - 1), 0, longest - len(rows))).contiguous()
        parts = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(parts, padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0][ctx.own] * size()


def gather_by_role(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """`gather` for vectors of like width or flags under several names, in one exchange."""
    if size() == 1 or not rows:
        return rows
    return dict(zip(rows, gather(torch.stack(list(rows.values()), dim=1)).unbind(dim=1), strict=True))


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Every gradient becomes its mean over the processes, in one exchange."""
    if size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = parameters_to_vector(gradients)
    with _in_time():
        dist.all_reduce(flat)
    vector_to_parameters(flat.div_(size()), gradients)
