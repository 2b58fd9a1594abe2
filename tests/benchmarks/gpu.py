"""Training on a GPU, measured: `python tests/benchmarks/gpu.py` prints a line as each part ends and writes gpu.json.

The card's own matrix rate; post-pretraining steps of objective (d) at B/32 and B/16 from frames that lie on the GPU,
compiled or not, with the gradient cache or without, and by the plain reference; the loader alone; and training end to
end from tar shards through the loader. `--tiny` is the same with a tiny model, on whatever device there is.

Work counts as in clipvip/model/flops.py: what is computed twice to save memory counts once.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu_data
import torch
from einops import rearrange
from gpu_bench import BF16, Bench, say
from gpu_parts import end_to_end, loader_alone, profile, resident, same_everywhere
from model_steps import B16, B32, TINY, Shape

from clipvip.model import video_encoder
from clipvip.model.attention import proxy_attention
from clipvip.runtime.matrix_rate import matrix_rate

MARK = 0.45  # of the measured matrix rate, end to end
Batched = Callable[[int], gpu_data.Batches]
FRAMES = 40  # of a clip of 13.4 s at 3 a second


def card(bench: Bench) -> None:
    """The machine, and what it reaches by itself."""
    bench.facts |= {"device": str(bench.device), "torch": torch.__version__, "cores": len(os.sched_getaffinity(0))}
    if bench.device.type == "cuda":
        torch.set_float32_matmul_precision("highest")
        bench.facts["gpu"] = torch.cuda.get_device_name()
        host = torch.empty(1 << 28, dtype=torch.uint8)
        for name, memory in (("pinned", host.pin_memory()), ("pageable", host)):
            memory.to(bench.device, non_blocking=True)
            torch.cuda.synchronize()
            clock = time.perf_counter()
            memory.to(bench.device, non_blocking=True)
            torch.cuda.synchronize()
            bench.facts[f"{name} copy, GB/s"] = host.numel() / (time.perf_counter() - clock) / 1e9
    for name, dtype in (("bf16", BF16), ("fp32", torch.float32)):
        bench.facts[f"{name} products, TFLOP/s"] = matrix_rate(str(bench.device), dtype) / 1e12
    say(
        "   "
        + ", ".join(
            f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"
            for name, value in bench.facts.items()
        )
    )


def kernels(bench: Bench) -> None:
    """The kernels for proxy attention against torch's; where they fail, nothing below uses them."""
    if bench.device.type != "cuda":
        return
    found, video_encoder.has_kernels = video_encoder.has_kernels, lambda: False
    assert found()
    for name, patches in (("B/32", 49), ("B/16", 196)):
        kernel(bench, name, patches)
    video_encoder.has_kernels = found


def kernel(bench: Bench, shape: str, patches: int) -> None:
    """One layer's attention for 64 clips of 12 frames, forth and back: time, and how far from fp32."""
    from clipvip.model.frame_kernels import frame_attention

    tokens = 4 + 12 * patches
    qkv = torch.randn(64, tokens, 3 * 768, device=bench.device, dtype=BF16, requires_grad=True)
    back = torch.randn(64, tokens, 768, device=bench.device, dtype=BF16)

    def ours(packed: torch.Tensor) -> torch.Tensor:
        return frame_attention(packed, num_heads=12, num_proxies=4, num_frames=12)

    def plain(packed: torch.Tensor) -> torch.Tensor:
        parts = (rearrange(part, "b t (h d) -> b h t d", h=12) for part in packed.chunk(3, dim=-1))
        return rearrange(proxy_attention(*parts, num_proxies=4, num_frames=12), "b h t d -> b t (h d)")

    def both(call: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = call(given)
        return out, torch.autograd.grad(out, given, back.to(out.dtype))[0]

    precise = qkv.detach().float().requires_grad_()
    truth = both(plain, precise)
    for name, call in (("kernel", ours), ("torch", plain)):
        far = [float((one - other).norm() / other.norm()) for one, other in zip(both(call, qkv), truth, strict=True)]
        torch.cuda.synchronize()
        clock = time.perf_counter()
        for _ in range(10):
            both(call, qkv)
        torch.cuda.synchronize()
        took = 100 * (time.perf_counter() - clock)
        say(f"   {shape} {name}: {took:.2f} ms forth and back, errors {far[0]:.1e}, {far[1]:.1e}")
        assert max(far) < 2e-2, f"{shape} {name}"


def without_kernels(bench: Bench, name: str, shape: Shape, count: int, pieces: Any, **how: Any) -> None:
    """The same with torch's own attention in place of the kernel."""
    found, video_encoder.has_kernels = video_encoder.has_kernels, lambda: False
    try:
        resident(bench, f"{name} resident, compiled, torch's attention", shape, count, pieces, **how)
    finally:
        video_encoder.has_kernels = found


def run_all(bench: Bench, workers: int) -> None:
    """Every part, the most telling first."""
    pieces = gpu_data.tokenizer()
    compiled = {"compile": "inductor" if bench.device.type == "cuda" else "aot_eager"}
    small = bench.size(64)
    clips, side, frames = bench.size(4096), 32 if bench.tiny else 224, TINY.frames if bench.tiny else 12

    def batches(size: int) -> gpu_data.Batches:
        shuffle = max(2, clips // 2)
        corpus = bench.folder / "corpus"
        return gpu_data.batches(corpus, pieces, size=side, frames=frames, batch_size=size, shuffle=shuffle)

    bench.guarded("card", 40, lambda: card(bench))
    bench.guarded("kernel", 60, lambda: kernels(bench))
    bench.guarded(
        "shards",
        60,
        lambda: bench.facts.update(
            corpus=str(gpu_data.shards(bench.folder, clips, frames=6 if bench.tiny else FRAMES, size=side))
        ),
    )
    bench.guarded("checks", 40, lambda: same_everywhere(bench, batches(small), pieces))
    bench.guarded("loader", 30, lambda: loader_alone(bench, batches(bench.size(1024)), workers, 6, micro_batch=small))
    run_b32(bench, workers, pieces, batches, compiled)
    run_b16(bench, workers, pieces, batches, compiled)


def run_b32(bench: Bench, workers: int, pieces: Any, batches: Batched, compiled: dict[str, Any]) -> None:
    """B/32: batches of 256, and of 1,024 in micro-batches of 256."""
    big, mid, name = bench.size(1024), bench.size(256), "B/32 from shards, compiled"
    cache = {"micro_batch": mid, **compiled}
    bench.guarded("B/32", 90, lambda: resident(bench, "B/32 resident, compiled", B32, mid, pieces, **compiled))
    bench.guarded("torch", 60, lambda: without_kernels(bench, "B/32", B32, mid, pieces, **compiled))
    bench.guarded("profile", 30, lambda: profile(bench, B32, mid, pieces, **compiled))

    def from_shards(size: int, name: str, **how: Any) -> None:
        end_to_end(bench, name, B32, batches(size), pieces, workers=workers, **how)

    bench.guarded("B/32 shards", 70, lambda: from_shards(mid, name, steps=100, **compiled))
    bench.guarded("B/32 shards cache", 70, lambda: from_shards(big, f"{name}, gradient cache", steps=15, **cache))
    few = {"steps": 4, "reference": True}
    bench.guarded("B/32 reference", 30, lambda: resident(bench, "B/32 reference", B32, mid // 2, pieces, **few))
    bench.guarded("eager", 30, lambda: resident(bench, "B/32 resident, not compiled", B32, mid // 2, pieces, steps=4))
    name = "B/32 resident, compiled, gradient cache"
    bench.guarded("B/32 cache", 30, lambda: resident(bench, name, B32, big, pieces, steps=3, **cache))


def run_b16(bench: Bench, workers: int, pieces: Any, batches: Batched, compiled: dict[str, Any]) -> None:
    """B/16: batches of 64."""
    count, name = bench.size(64), "B/16 from shards, compiled"
    how = {"steps": 40, "workers": workers, **compiled}
    few = {"steps": 3, "reference": True}
    bench.guarded("B/16", 70, lambda: resident(bench, "B/16 resident, compiled", B16, count, pieces, **compiled))
    bench.guarded("B/16 torch", 60, lambda: without_kernels(bench, "B/16", B16, count, pieces, **compiled))
    bench.guarded("B/16 shards", 60, lambda: end_to_end(bench, name, B16, batches(count), pieces, **how))
    bench.guarded("B/16 reference", 30, lambda: resident(bench, "B/16 reference", B16, count // 2, pieces, **few))


def main() -> None:
    """Measure, print, write."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--tiny", action="store_true", help="a tiny model: does every part run")
    given.add_argument("--seconds", type=float, default=285, help="no part begins after so many (default: 285)")
    given.add_argument("--workers", type=int, help="processes that read (default: the cores less two)")
    given.add_argument("--out", type=Path, default=Path("results/gpu.json"))
    given.add_argument("--only", nargs="+", default=[], metavar="PART", help="run these parts (default: all)")
    chosen = given.parse_args()
    warnings.simplefilter("ignore")  # of the compiler
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not chosen.tiny:
        raise SystemExit("no GPU here; --tiny shows that every part runs")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    workers = chosen.workers or max(2, len(os.sched_getaffinity(0)) - 2)
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(
            chosen.tiny, device, time.monotonic() + chosen.seconds, chosen.out, Path(place), frozenset(chosen.only)
        )
        run_all(bench, workers)
    say("\n" + "\n".join(map(str, bench.lines)))
    if bench.lines:
        best = max((line.share for line in bench.lines if "from shards" in line.what), default=0.0)
        say(f"end to end at best {100 * best:.1f} % of the measured matrix rate; the mark is {100 * MARK:.0f} %")


if __name__ == "__main__":
    main()
