"""What a machine's matrix products reach, measured: the rate that a training's share is a share of."""

import functools
import sys
import time

import torch

SIDE = {"cpu": 768, "cuda": 8192}  # of the square product
SECONDS = 0.1  # of measuring on a CPU; one product at least
SLOWER = 0.9  # times the rate of fp32, from where on a short format is said to be slower


@functools.lru_cache
def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Floating point operations a second of square products in `dtype` on a device, the best of some; measured once."""
    kind = torch.device(device).type
    side = SIDE.get(kind, SIDE["cpu"])
    drawn = torch.Generator(device).manual_seed(0)  # not of the run: measuring must not change what it draws
    one, other = (torch.randn(side, side, device=device, generator=drawn).to(dtype) for _ in range(2))
    out = one @ other
    return 2.0 * side**3 / (_on_gpu(one, other, out) if kind == "cuda" else _on_cpu(one, other, out))


def _on_cpu(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> float:
    """Seconds of a product."""
    began, best = time.perf_counter(), float("inf")
    while best == float("inf") or time.perf_counter() - began < SECONDS:
        clock = time.perf_counter()
        torch.mm(one, other, out=out)
        best = min(best, time.perf_counter() - clock)
    return best


def _on_gpu(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor, times: int = 10) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(3):
        torch.mm(one, other, out=out)
    begin.record()
    for _ in range(times):
        torch.mm(one, other, out=out)
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / times


@functools.lru_cache
def say_if_slower(device: str, dtype: torch.dtype) -> None:
    """One line where products in a short format are slower than in fp32: a CPU without instructions for them."""
    if dtype == torch.float32 or torch.device(device).type != "cpu":
        return
    ratio = matrix_rate(device, dtype) / matrix_rate(device, torch.float32)
    if ratio < SLOWER:
        name = str(dtype).removeprefix("torch.")
        print(
            f"products in {name} are {1 / ratio:.1f} times slower than in float32 on this processor, which has no "
            "instructions for them; `precision: fp32` is faster here",
            file=sys.stderr,
            flush=True,
        )
