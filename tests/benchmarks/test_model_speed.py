"""Speed and memory of the model against the plain reference: `make bench` prints the table and writes
results/benchmarks.json. Both compute the same, and a figure that misses its mark fails (what is measured: extent.py).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from extent import FULL, ROUNDS, SLACK, THREADS
from gpu_rows import gpu_rows
from marks import NONE, Mark, Row, machine, missed, quotient, table, write
from measure import PeakOf, Product, ProductsOf, alternate, bare
from model_steps import B16, B32, TINY, Shape, Step, encoders, text_steps, video_step, whole_steps
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from clipvip.model.clip_vip import ClipVip

RESULTS = Path(__file__).parents[2] / "results" / "benchmarks.json"
BF16 = torch.bfloat16
MEMORY_BATCH = 8


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_table(threads: None) -> None:
    rows: list[Row] = []

    def add(found: list[Row]) -> None:
        rows.extend(found)
        print("\n" + table(found, SLACK), flush=True)

    for shape, mark in ((B32, Mark(most=0.90)), (B16, Mark(most=0.75))):
        if FULL or shape is B32:
            add(encoder_rows(shape, ROUNDS))
        add(memory_rows(shape.of(MEMORY_BATCH), mark))
    add(whole_rows(B32.of(8), ROUNDS))
    add(text_rows(B32, 64 if FULL else 32, ROUNDS))
    add(dropping_rows(B32, ROUNDS))
    add(frames_rows(B32.of(1), (8, 64 if FULL else 32), max(1, ROUNDS - 1)))
    if torch.cuda.is_available():
        for shape in (B32, B16):
            add(gpu_rows(shape.of(64), 5 * ROUNDS))
    write(rows, RESULTS, SLACK)
    print(f"\n{table(rows, SLACK)}\n\n{machine()}\n{RESULTS}")
    assert not missed(rows, SLACK)


def test_every_row_on_a_tiny_model(threads: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*encoder_rows(TINY, 1), *memory_rows(TINY, Mark(most=1)), *whole_rows(TINY, 1), *text_rows(TINY, 6, 1)]
    rows += [*dropping_rows(TINY, 1), *frames_rows(TINY, (2, 4), 1)]
    assert len({row.what for row in rows}) == len(rows)
    assert all(0 < row.low <= row.figure <= row.high for row in rows)
    write(rows, tmp_path / "new" / "benchmarks.json")
    found = json.loads((tmp_path / "new" / "benchmarks.json").read_text())
    assert [row["what"] for row in found["rows"]] == [row.what for row in rows]
    assert table(rows).count("\n") == len(rows)


def test_products_are_counted_one_by_one() -> None:
    """Against the sizes of a tiny encoder, by hand: 2 clips of 4 + 3 x 16 tokens of width 32, two layers, 2 heads."""
    with FakeTensorMode(), ProductsOf() as products:
        model = TINY.model()
        video_step(model, model.encode_video, TINY.pixels())()
    batch, patches, tokens, width = 2, 2 * 48, 2 * 52, 32
    linear = 3 * 2 * (tokens * width * 3 * width + tokens * width * width + tokens * 2 * width * 64)  # first layer
    linear += 3 * 2 * batch * (4 * width * width + width + 2 * width * 64)  # last layer: one token, with K's bias
    linear += 3 * 2 * batch * width * 512 + 2 * 2 * patches * width * 3 * 64  # projection; kernel has no input gradient
    attention = 3 * 2 * 2 * (batch * 4 * 52 + patches * (4 + 16) + batch * 52 * 2) * width  # last: each of 2 heads
    counted = sum(product.flops * count for product, count in products.counts.items())
    assert counted == linear + attention


def test_peak_counts_what_lives_at_once() -> None:
    held = torch.zeros(100)
    with PeakOf([held, held[:3]]) as peak:
        first = held + 1
        second = first.view(10, 10) * 2
        del first
        third = second + 1
        del second, third
    assert (peak.peak, peak.now) == (1200, 400)


def encoder_rows(shape: Shape, rounds: int) -> list[Row]:
    """Training steps of the video encoder, ours and the reference's, fp32 and bf16, and their products alone."""
    model, pixels = shape.model(), shape.pixels()
    agree(model, {name: video_step(model, encode, pixels) for name, encode in encoders(model).items()})
    steps: dict[str, Callable[[], object]] = {}
    for kind, dtype in (("fp32", None), ("bf16", BF16)):
        for name, encode in encoders(model).items():
            steps[f"{name} {kind}"] = video_step(model, encode, pixels, dtype)
        steps[f"checkpointed {kind}"] = checkpointed(model, video_step(model, model.encode_video, pixels, dtype))
        steps[f"products {kind}"] = bare(products_of(shape, dtype))
    exact = {"fp32": steps["reference fp32"]}
    agree(model, {**exact, "ours": steps["ours bf16"], "reference": steps["reference bf16"]})
    times = alternate(steps, rounds)
    name = f"{shape.name} encoder step,"
    share = Mark(least=0.90, without_bf16=0.88 if shape.name == "B/16" else None)
    return [
        quotient(f"{name} fp32", times, "reference fp32", "ours fp32", Mark(least=1.12)),
        quotient(f"{name} bf16", times, "reference bf16", "ours bf16", Mark(least=1.05)),
        quotient(
            f"{name} bf16 against reference fp32",
            times,
            "reference fp32",
            "ours bf16",
            Mark(least=3.5, without_bf16=0.26),
        ),
        quotient(f"{name} bare products, bf16 against fp32", times, "products fp32", "products bf16", NONE),
        quotient(f"{name} share of bare products, fp32", times, "products fp32", "ours fp32", share),
        quotient(f"{name} share of bare products, bf16", times, "products bf16", "ours bf16", Mark(least=0.80)),
        quotient(
            f"{name} time with checkpointing, fp32", times, "checkpointed fp32", "reference fp32", Mark(most=1.40)
        ),
        quotient(
            f"{name} time with checkpointing, bf16", times, "checkpointed bf16", "reference bf16", Mark(most=1.40)
        ),
    ]


def memory_rows(shape: Shape, mark: Mark) -> list[Row]:
    """Peak of the encoder's step (weights, gradients, activations), traced without computing it."""
    rows = []
    for kind, dtype in (("fp32", None), ("bf16", BF16)):
        plain = peak_of(shape, "reference", dtype)
        for what, checkpointing, wanted in (("", False, mark), (" with checkpointing", True, Mark(most=0.40))):
            ours = peak_of(shape, "ours", dtype, checkpointing)
            note = f"{ours / 2**30:.2f} GiB / {plain / 2**30:.2f} GiB, traced, batch {shape.batch}"
            figure = ours / plain
            rows.append(Row(f"{shape.name} encoder memory{what}, {kind}", figure, figure, figure, wanted, note))
    return rows


def whole_rows(shape: Shape, rounds: int) -> list[Row]:
    """Post-pretraining: video, frame, subtitles and captions, loss (d), gradient norm, AdamW."""
    model = shape.model()
    steps = whole_steps(shape, model, BF16)
    losses = {name: step().item() for name, step in steps.items()}
    assert losses["ours"] == pytest.approx(losses["reference"], rel=0.02)
    name = f"{shape.name} whole step, objective (d), bf16"
    return [
        quotient(
            name,
            alternate(steps, rounds),
            "reference",
            "ours",
            Mark(least=1.25, without_bf16=1.15),
            f"batch {shape.batch}",
        )
    ]


def text_rows(shape: Shape, count: int, rounds: int) -> list[Row]:
    """Training steps of the text tower, lengths uniform in 5-70."""
    model = shape.model()
    agree(model, text_steps(model, count, None))
    rows = []
    for kind, dtype in (("fp32", None), ("bf16", BF16)):
        times = alternate(text_steps(model, count, dtype), rounds)
        rows.append(quotient(f"text step, {kind}", times, "reference", "ours", Mark(least=1.60), f"{count} texts"))
    return rows


def dropping_rows(shape: Shape, rounds: int) -> list[Row]:
    """Half of each frame's patches left out, against none."""
    rows, pixels = [], shape.pixels()
    for kind, dtype, mark in (("fp32", None, Mark(least=1.80, without_bf16=1.75)), ("bf16", BF16, Mark(least=1.80))):
        models = {"all": shape.model(), "half": shape.model(patch_dropping=0.5)}
        steps = {name: video_step(model, model.encode_video, pixels, dtype) for name, model in models.items()}
        steps["half"]()
        times = alternate(steps, rounds)
        rows.append(quotient(f"{shape.name} half the patches, {kind}", times, "all", "half", mark))
    return rows


def frames_rows(shape: Shape, counts: tuple[int, int], rounds: int) -> list[Row]:
    """Time per frame at many frames over that at few, fp32, fused attention in both."""
    rows, (few, many) = [], counts
    for pooling, mark in (("proxies", Mark(most=1.15)), ("full", NONE)):
        model = shape.model(pooling=pooling)
        steps = {n: video_step(model, model.encode_video, shape.pixels(n)) for n in counts}
        steps[few]()
        times = alternate({str(n): step for n, step in steps.items()}, rounds)
        name = f"{shape.name} {pooling}, time per frame, {many} to {few}"
        rows.append(quotient(name, times, str(many), str(few), mark, scale=few / many))
    return rows


def products_of(shape: Shape, dtype: torch.dtype | None) -> Counter[Product]:
    with FakeTensorMode(), ProductsOf() as products:
        model = shape.model()
        video_step(model, model.encode_video, shape.pixels(), dtype)()
    return products.counts


def peak_of(shape: Shape, way: str, dtype: torch.dtype | None, checkpointing: bool = False) -> int:
    with FakeTensorMode():
        model, pixels = shape.model(), shape.pixels()
        model.video.recompute = checkpointing
        step = video_step(model, encoders(model)[way], pixels, dtype)
        with PeakOf([*model.video.parameters(), pixels]) as peak:
            step()
    return peak.peak


def checkpointed(model: ClipVip, step: Step) -> Step:
    def run() -> Tensor:
        model.video.recompute = True
        try:
            return step()
        finally:
            model.video.recompute = False

    return run


def agree(model: ClipVip, steps: dict[str, Step]) -> None:
    """Ours and the reference give the same embeddings and gradients to rounding; with "fp32" among the steps, ours is
    no further from that than the reference's own half precision is, times two."""
    found = {name: (step(), gradient(model)) for name, step in steps.items()}
    for ours, plain, exact in zip(found["ours"], found["reference"], found.get("fp32", (None, None)), strict=True):
        size = plain.norm()
        if exact is None:
            assert (ours - plain).norm() <= 1e-4 * size
        else:
            assert (ours - exact).norm() <= 2 * (plain - exact).norm()


def gradient(model: ClipVip) -> Tensor:
    """All gradients of the last step as one vector."""
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
