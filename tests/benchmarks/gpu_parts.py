"""The parts of the GPU benchmark: each adds its lines to the table."""

import time
from collections.abc import Callable
from typing import Any

import gpu_data
import numpy as np
import reference
import torch
from gpu_bench import BF16, Bench, Line, say
from model_steps import B32, Shape

from clipvip.config.learning import OptimSettings
from clipvip.config.stages import OBJECTIVES
from clipvip.data.batches import Batch, Batches
from clipvip.data.loader import stream
from clipvip.model.clip_vip import ClipVip
from clipvip.model.loss import omnisource_loss
from clipvip.model.video_encoder import normalise
from clipvip.runtime.context import Run
from clipvip.training import loop
from clipvip.training.meter import work_of

ROWS, WARM = 5, 2  # rows of the history of training from shards, and those of them before it counts


def resident(bench: Bench, name: str, shape: Shape, count: int, pieces: Any, **how: Any) -> None:
    """A line of training steps whose batch lies on the device; `steps` of them, after two that warm up."""
    micro, steps = how.get("micro_batch"), how.pop("steps", 8)
    model = bench.model(shape, pieces)
    batch = _batch(bench, shape, count, pieces)
    settings = OptimSettings(steps=1000, batch_size=count, lr=0.0, weight_decay=0.05, grad_norm=5.0, precision="bf16")
    plain = how.pop("reference", False)
    run = Run(work=bench.folder, device=str(bench.device), **how)
    state = loop._state(model, settings, run)

    def step() -> None:
        if plain:
            _reference_step(state, batch)
        else:
            loop._step(state, batch, OBJECTIVES["d"], settings, micro)

    began = time.perf_counter()
    step()
    first = time.perf_counter() - began
    step()
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    if bench.device.type == "cuda":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) / steps
    done, _ = work_of(model, batch)
    note, speed = f"step {1e3 * seconds:.0f} ms, first {first:.0f} s", done / seconds
    if micro is not None and micro < count:
        note += f"; {100 * 4 / 3 * speed / bench.rate:.1f} % with what the cache computes again"
    bench.add(Line(name, count, micro, count / seconds, speed / 1e12, speed / bench.rate, bench.peak(), note))


def _batch(bench: Bench, shape: Shape, count: int, pieces: Any) -> Batch:
    chosen = bench.shape(shape)
    side = chosen.vision.get("image_size", 224)
    drawn = torch.Generator().manual_seed(0)
    video = torch.randint(0, 256, (count, chosen.frames, side, side, 3), dtype=torch.uint8, generator=drawn)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(gpu_data.WORDS, n)) for n in (gpu_data.SPOKEN, gpu_data.SEEN) for _ in range(count)]
    found = pieces(texts, padding=True, truncation=True, max_length=70, return_tensors="pt")
    there = {role: torch.ones(count, dtype=torch.bool) for role in ("subtitle", "caption")}
    ids, mask = found["input_ids"], found["attention_mask"]
    return Batch(video, video[:, :1].clone(), ("subtitle", "caption"), ids, mask, there).to(bench.device)


def _reference_step(state: loop.State, batch: Batch) -> None:
    model = state.model
    state.optimiser.zero_grad(set_to_none=True)
    with torch.autocast(batch.video.device.type, dtype=BF16):
        found = {"video": reference.encode_video(model, normalise(batch.video))}
        assert batch.frame is not None
        found["frame"] = reference.encode_video(model, normalise(batch.frame))
        texts = reference.encode_text(model, batch.input_ids, batch.attention_mask)
    found |= dict(zip(batch.roles, texts.chunk(2), strict=True))
    omnisource_loss(found, OBJECTIVES["d"], model.logit_scale).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    state.optimiser.step()
    model.clamp_logit_scale()


def profile(bench: Bench, shape: Shape, count: int, pieces: Any, **how: Any) -> None:
    """The kernels that take longest in a compiled step."""
    model, batch = bench.model(shape, pieces), _batch(bench, shape, count, pieces)
    settings = OptimSettings(steps=1000, batch_size=count, lr=0.0, precision="bf16")
    state = loop._state(model, settings, Run(work=bench.folder, device=str(bench.device), **how))
    for _ in range(3):
        loop._step(state, batch, OBJECTIVES["d"], settings, None)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if bench.device.type == "cuda" else []
    with torch.profiler.profile(activities=kinds) as seen:
        for _ in range(2):
            loop._step(state, batch, OBJECTIVES["d"], settings, None)
    named = [each for each in seen.key_averages() if each.self_device_time_total > 0]
    gpu = [each for each in named if not each.key.startswith(("aten::", "clipvip::", "autograd::", "Command"))]
    total = sum(each.self_device_time_total for each in gpu) or 1
    say(f"   kernels of two steps: {total / 1e3:.0f} ms")
    for each in sorted(gpu, key=lambda each: -each.self_device_time_total)[:28]:
        share = 100 * each.self_device_time_total / total
        say(f"   {share:5.1f} %  {each.self_device_time_total / 1e3:8.1f} ms  {each.count:5}  {each.key[:110]}")


def loader_alone(bench: Bench, batches: Batches, workers: int, steps: int, **how: Any) -> None:
    """Clips/s of the loader when nobody trains."""
    began, seen = 0.0, 0
    for number, batch in enumerate(stream(batches, 0, steps, workers, device=bench.device, **how)):
        if number == 0:
            began = time.perf_counter()
        else:
            seen += len(batch.video)
    seconds = time.perf_counter() - began
    bench.facts[f"loader alone, {workers} workers"] = seen / seconds
    say(f"   loader alone, batches of {batches.size}, {workers} workers: {seen / seconds:.0f} clips/s")


def end_to_end(bench: Bench, name: str, shape: Shape, batches: Batches, pieces: Any, **how: Any) -> None:
    """Training as a stage trains, from shards, by the clock: the last three of five rows of its history. Until then
    all is compiled, and the processes that read are under way."""
    steps, model, at = how.pop("steps"), bench.model(shape, pieces), dict[int, float]()
    settings = OptimSettings(steps=steps, batch_size=batches.size, lr=0.0, grad_norm=5.0, precision="bf16")
    work = bench.folder / name.replace("/", "-")
    run = Run(
        work=work,
        device=str(bench.device),
        checkpoint_seconds=1e6,
        log=lambda step, _: at.update({step: time.perf_counter()}),
        **how,
    )
    usual, loop.LOGGED = loop.LOGGED, ROWS  # a long run has a row in many steps too
    try:
        history = loop.fit(model, batches, OBJECTIVES["d"], settings, run, name=name)
    finally:
        loop.LOGGED = usual
    rows, every = history[WARM:], steps // ROWS
    by_clock = at[steps] - at[WARM * every]
    clips = (steps - WARM * every) * batches.size / by_clock
    spent = [row["data_wait_s"] + row["step_s"] for row in rows]
    speed = sum(row["tflops"] * own * every for row, own in zip(rows, spent, strict=True)) / by_clock
    wait = sum(row["data_wait_s"] for row in rows) * every / by_clock
    told = " ".join(f"{row['clips_per_s']:.0f} ({1e3 * row['data_wait_s']:.1f} ms)" for row in history)
    say(f"   clips/s row by row, and how long a step waited for data: {told}")
    note = f"{100 * wait:.1f} % of the time waiting for data, {run.workers} workers; steps {WARM * every} to {steps}"
    share = 1e12 * speed / bench.rate
    bench.add(Line(name, batches.size, run.micro_batch, clips, speed, share, bench.peak(), note))


def same_everywhere(bench: Bench, batches: Batches, pieces: Any) -> None:
    """What the loader brings to the device is what is read here; embeddings there are those of the reference."""
    for step, batch in zip((0, 1), stream(batches, 0, 2, 2, device=bench.device, micro_batch=3), strict=True):
        wanted = batches[step]
        for name in ("video", "frame", "input_ids", "attention_mask"):
            assert torch.equal(getattr(batch, name).cpu(), getattr(wanted, name)), name
    model = bench.model(B32, pieces).eval()
    part = _batch(bench, B32, 4, pieces)
    with torch.no_grad():
        plain = reference.encode_video(model, normalise(part.video))
        texts = reference.encode_text(model, part.input_ids, part.attention_mask)
        far = float((model.encode_video(part.video) - plain).abs().max())
        words = float((model.encode_text(part.input_ids, part.attention_mask) - texts).abs().max())
    weight = torch.linspace(-1, 1, plain.shape[-1], device=bench.device)
    true = _gradients(model, lambda: (reference.encode_video(model, normalise(part.video)) @ weight).sum())
    model.video.compile_layers("inductor" if bench.device.type == "cuda" else "aot_eager")
    with torch.autocast(bench.device.type, dtype=BF16):
        plainly = _gradients(
            model, lambda: (reference.encode_video(model, normalise(part.video)).float() @ weight).sum()
        )
        least = float((model.encode_video(part.video) * plain).sum(dim=-1).min().detach())
        short = _gradients(model, lambda: (model.encode_video(part.video).float() @ weight).sum())
    told = [name for name in true if not name.endswith("k_proj.bias")]  # theirs is 0 but for rounding
    ours, theirs = (min(_cosine(true[name], found[name]) for name in told) for found in (short, plainly))
    bench.facts["checks"] = {"fp32, video": far, "fp32, text": words, "bf16 compiled, least cosine": least}
    bench.facts["checks"] |= {"gradients in bf16, least cosine": ours, "the same of the reference": theirs}
    say(f"   loader on the device: the same; fp32 against reference {far:.1e}, {words:.1e}; bf16 cosine {least:.5f}")
    say(f"   gradients in bf16 against fp32, least cosine of a parameter: {ours:.4f}; reference {theirs:.4f}")
    assert max(far, words) < 1e-4
    assert least > 0.999


def _gradients(model: ClipVip, loss: Callable[[], torch.Tensor]) -> dict[str, torch.Tensor]:
    model.zero_grad(set_to_none=True)
    loss().backward()
    return {name: each.grad.clone() for name, each in model.video.named_parameters() if each.grad is not None}


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one.flatten().double(), other.flatten().double(), dim=0))
