"""Several processes as one (the paper's batch of 1,024 on few devices; section 4.1): who has which rows, and how
embeddings, gradients and decisions come together. Alone, everything here gives back what it is given.

Every process computes the same loss over all rows, so that the *average* of the processes' gradients is the gradient
of one process holding the whole batch: of the encoders, of which each has seen its own rows, and of the temperature.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

PATIENCE = timedelta(days=1)  # the others wait while the first does what is not shared


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Joins the processes that torchrun started, where it did; yields this process's device.

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
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()


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
    said = torch.tensor([value])
    dist.broadcast(said, 0)
    return int(said)


def most(value: int) -> int:
    """The largest of what the processes say."""
    if size() == 1:
        return value
    said = torch.tensor([value])
    dist.all_reduce(said, dist.ReduceOp.MAX)
    return int(said)


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
    dist.all_reduce(flat)
    vector_to_parameters(flat.div_(size()), gradients)
