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
from model_steps import B16, B32, TINY

from clipvip.model import video_encoder
from clipvip.model.attention import proxy_attention
from clipvip.runtime.matrix_rate import matrix_rate

MARK = 0.45  # of the measured matrix rate, end to end
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
    """The kernel for frames of few patches against torch's attention; where it fails, nothing below uses it."""
    if bench.device.type != "cuda":
        return
    found, video_encoder.has_kernels = video_encoder.has_kernels, lambda: False
    assert found()
    from clipvip.model.frame_kernels import frame_attention

    shape = {"num_heads": 12, "num_proxies": 4, "num_frames": 12}
    qkv = torch.randn(64, 592, 3 * 768, device=bench.device, dtype=BF16, requires_grad=True)
    back = torch.randn(64, 592, 768, device=bench.device, dtype=BF16)

    def plain(packed: torch.Tensor) -> torch.Tensor:
        parts = (rearrange(part, "b t (h d) -> b h t d", h=12) for part in packed.chunk(3, dim=-1))
        return rearrange(proxy_attention(*parts, num_proxies=4, num_frames=12), "b h t d -> b t (h d)")

    def both(call: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = call(given)
        return out, torch.autograd.grad(out, given, back.to(out.dtype))[0]

    precise = qkv.detach().float().requires_grad_()
    truth = both(plain, precise)
    for name, call in (("kernel", lambda packed: frame_attention(packed, **shape)), ("torch", plain)):
        far = [float((one - other).norm() / other.norm()) for one, other in zip(both(call, qkv), truth, strict=True)]
        torch.cuda.synchronize()
        clock = time.perf_counter()
        for _ in range(10):
            both(call, qkv)
        torch.cuda.synchronize()
        say(
            f"   {name}: {100 * (time.perf_counter() - clock):.2f} ms forth and back, errors {far[0]:.1e}, {far[1]:.1e}"
        )
        assert max(far) < 2e-2, name
    video_encoder.has_kernels = found


def without_kernels(bench: Bench, count: int, pieces: Any, **how: Any) -> None:
    """The same with torch's own attention in place of the kernel for frames of few patches."""
    found, video_encoder.has_kernels = video_encoder.has_kernels, lambda: False
    try:
        resident(bench, "B/32 resident, compiled, torch's attention", B32, count, pieces, **how)
    finally:
        video_encoder.has_kernels = found


def run_all(bench: Bench, workers: int) -> None:
    """Every part, the most telling first."""
    pieces = gpu_data.tokenizer()
    compiled = {"compile": "inductor" if bench.device.type == "cuda" else "aot_eager"}
    big, mid, small = bench.size(1024), bench.size(256), bench.size(64)
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
    bench.guarded("loader", 30, lambda: loader_alone(bench, batches(big), workers, 6, micro_batch=small))
    name = "resident, compiled"
    bench.guarded(name, 90, lambda: resident(bench, f"B/32 {name}", B32, mid, pieces, **compiled))
    bench.guarded("without the kernel", 60, lambda: without_kernels(bench, mid, pieces, **compiled))
    bench.guarded("profile", 30, lambda: profile(bench, B32, mid, pieces, **compiled))
    name = "end to end from shards, compiled"
    cache = {"micro_batch": mid, **compiled}
    bench.guarded(
        name,
        90,
        lambda: end_to_end(
            bench, f"B/32 {name}, gradient cache", B32, batches(big), pieces, steps=15, workers=workers, **cache
        ),
    )
    bench.guarded(
        name,
        60,
        lambda: end_to_end(bench, f"B/32 {name}", B32, batches(mid), pieces, steps=45, workers=workers, **compiled),
    )
    bench.guarded(
        "reference",
        30,
        lambda: resident(bench, "B/32 resident, reference", B32, mid // 2, pieces, steps=4, reference=True),
    )
    bench.guarded("eager", 30, lambda: resident(bench, "B/32 resident, not compiled", B32, mid // 2, pieces, steps=4))
    bench.guarded(
        "cache",
        30,
        lambda: resident(bench, "B/32 resident, compiled, gradient cache", B32, big, pieces, steps=3, **cache),
    )
    bench.guarded(
        "B/16", 70, lambda: resident(bench, "B/16 resident, compiled", B16, small, pieces, steps=6, **compiled)
    )
    bench.guarded(
        "B/16",
        60,
        lambda: end_to_end(bench, f"B/16 {name}", B16, batches(small), pieces, steps=40, workers=workers, **compiled),
    )
    bench.guarded(
        "reference",
        30,
        lambda: resident(bench, "B/16 resident, reference", B16, small // 2, pieces, steps=3, reference=True),
    )


def main() -> None:
    """Measure, print, write."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--tiny", action="store_true", help="a tiny model: does every part run")
    given.add_argument("--seconds", type=float, default=285, help="no part begins after so many (default: 285)")
    given.add_argument("--workers", type=int, help="processes that read (default: the cores less two)")
    given.add_argument("--out", type=Path, default=Path("results/gpu.json"))
    chosen = given.parse_args()
    warnings.simplefilter("ignore")  # of the compiler
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not chosen.tiny:
        raise SystemExit("no GPU here; --tiny shows that every part runs")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    workers = chosen.workers or max(2, len(os.sched_getaffinity(0)) - 2)
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(chosen.tiny, device, time.monotonic() + chosen.seconds, chosen.out, Path(place))
        run_all(bench, workers)
    say("\n" + "\n".join(map(str, bench.lines)))
    if bench.lines:
        best = max((line.share for line in bench.lines if "end to end" in line.what), default=0.0)
        say(f"end to end at best {100 * best:.1f} % of the measured matrix rate; the mark is {100 * MARK:.0f} %")


if __name__ == "__main__":
    main()
