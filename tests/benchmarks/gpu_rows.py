"""The rows that need a GPU: ours compiled in bf16 against the reference in fp16 autocast, and the card's own rate."""

import warnings

import torch
from marks import NONE, Mark, Row, quotient
from measure import ProductsOf, Times, alternate
from model_steps import Shape, encoders, video_step
from torch._subclasses.fake_tensor import FakeTensorMode

SIDE = 8192  # of the square product that measures the card


def gpu_rows(shape: Shape, rounds: int) -> list[Row]:
    """Training steps of the video encoder: clips/s, the share of the card's matrix rate, peak memory."""
    model, pixels = shape.model().cuda(), shape.pixels().cuda()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler
        compiled = torch.compile(model.video)
        ways = {"ours": compiled, "reference": encoders(model)["reference"]}
        types = {"ours": torch.bfloat16, "reference": torch.float16}
        steps = {name: video_step(model, encode, pixels, types[name]) for name, encode in ways.items()}
        found, peaks = {}, {}
        for name, step in steps.items():
            step()
            torch.cuda.reset_peak_memory_stats()
            found[name] = step()
            peaks[name] = torch.cuda.max_memory_allocated()
        assert (found["ours"] * found["reference"]).sum(dim=-1).min() > 0.999
        square = torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16)
        times = alternate({**steps, "square": lambda: square @ square}, rounds)
    clips = {name: shape.batch / sorted(times[name])[rounds // 2] for name in steps}
    note = f"batch {shape.batch}, {clips['ours']:.0f} and {clips['reference']:.0f} clips/s"
    memory = peaks["ours"] / peaks["reference"]
    sizes = " / ".join(f"{peaks[name] / 2**30:.2f} GiB" for name in ("ours", "reference"))
    return [
        quotient(f"{shape.name} encoder step, GPU", times, "reference", "ours", Mark(least=2), note),
        _share(shape, times),
        Row(f"{shape.name} encoder memory, GPU", memory, memory, memory, NONE, sizes),
    ]


def _share(shape: Shape, times: Times) -> Row:
    with FakeTensorMode(), ProductsOf() as products:
        model = shape.model()
        video_step(model, model.encode_video, shape.pixels())()
    flops = sum(product.flops * count for product, count in products.counts.items())
    rate = 2 * SIDE**3
    note = f"card {rate / min(times['square']) / 1e12:.0f} TFLOP/s"
    return quotient(f"{shape.name} share of the card's rate", times, "square", "ours", NONE, note, scale=flops / rate)
