"""How the benchmark measures: times taken in turn, matrix products of a step laid bare, and peak memory by trace."""

import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Times = dict[str, list[float]]
Operand = tuple[tuple[int, ...], tuple[int, ...]]  # shape, strides


def clock() -> float:
    """Processor time where one thread does all the work (a machine that is also busy elsewhere disturbs it less),
    else time on the wall."""
    return time.process_time() if alone() else time.perf_counter()


def alone() -> bool:
    """Whether one thread does all the work."""
    return torch.get_num_threads() == 1 and not torch.cuda.is_available()


def alternate(steps: Mapping[str, Callable[[], Any]], rounds: int) -> Times:
    """Seconds of every step, `rounds` times each, in turn (every other round backwards); nothing warms up here."""
    times: Times = {name: [] for name in steps}
    for turn in range(rounds):
        order = list(steps) if turn % 2 == 0 else list(reversed(steps))
        for name in order:
            _wait()
            began = clock()
            seconds = steps[name]()
            _wait()
            times[name].append(seconds if isinstance(seconds, float) else clock() - began)
    return times


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Product:
    """A (batch of) matrix product(s) as torch was asked for it: [batch, rows, inner] x [batch, inner, columns]."""

    left: Operand
    right: Operand
    dtype: torch.dtype

    @property
    def flops(self) -> int:
        rows = torch.Size(self.left[0]).numel()
        return 2 * rows * self.right[0][-1]


class ProductsOf(TorchDispatchMode):
    """Counts the products of what runs inside; fused attention and the patch kernel are taken apart into theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[Product] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, tensors = func.overloadpacket.__name__, [a for a in args if isinstance(a, Tensor)]
        if name in ("mm", "bmm"):
            self._add(*tensors)
        elif name == "addmm":
            self._add(*tensors[1:])
        elif name == "convolution":
            self._add_patches(tensors[0], tensors[1], 1)
        elif name == "convolution_backward":
            self._add_patches(tensors[1], tensors[2], sum(args[-1]))
        elif name.startswith("_scaled_dot_product"):
            backward = "backward" in name
            query, key = (tensor.flatten(0, 1) for tensor in tensors[backward : backward + 2])
            similar = query.new_empty(len(query), query.shape[1], key.shape[1])
            for _ in range(1 + backward):  # there: scores, mixture; back: two gradients of each
                self._add(query, key.mT)
                self._add(similar, key)
        return func(*args, **(kwargs or {}))

    def _add(self, left: Tensor, right: Tensor) -> None:
        shapes = [(tuple(t.shape), tuple(t.stride())) for t in (left, right)]
        self.counts[Product(shapes[0], shapes[1], left.dtype)] += 1

    def _add_patches(self, images: Tensor, kernel: Tensor, times: int) -> None:
        width, inner = len(kernel), kernel[0].numel()
        rows = images.numel() // inner
        shapes = ((rows, inner), (inner, 1)), ((inner, width), (1, inner))
        self.counts[Product(*shapes, images.dtype)] += times


def bare(counts: Counter[Product], repeats: int = 2) -> Callable[[], float]:
    """A step that runs each distinct product `repeats` times and returns the seconds that all of them would take."""
    pairs = [(_random(p.left, p.dtype), _random(p.right, p.dtype), count) for p, count in counts.items()]

    def step() -> float:
        total = 0.0
        for left, right, count in pairs:
            began = clock()
            for _ in range(repeats):
                left @ right
            total += (clock() - began) / repeats * count
        return total

    step()
    return step


def _random(operand: Operand, dtype: torch.dtype) -> Tensor:
    return torch.empty_strided(*operand, dtype=dtype).normal_()


class PeakOf(TorchDispatchMode):
    """Bytes of all living storages at their peak while what is inside runs, `held` (weights, inputs) included.

    Under FakeTensorMode this costs no memory and no arithmetic. Buffers that live inside one kernel are not seen.
    """

    def __init__(self, held: list[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()
        for tensor in held:
            self._see(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in found if isinstance(found, tuple | list) else [found]:
            if isinstance(value, Tensor):
                self._see(value)
        return found

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        weakref.finalize(storage, self._forget, key, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
