"""What this machine does in a second: a few training steps at the true shapes with random weights, and a few clips of
the corpora decoded; for experiments whose data or models are larger than a sample of them can be made.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch

from clipvip.config.learning import ModelSettings
from clipvip.data.media.file_header import VideoError, is_image
from clipvip.data.media.video import read_chosen, resize, sample_indices
from clipvip.model import flops
from clipvip.model.clip_vip import ClipVip
from clipvip.pipeline.forecast import shapes
from clipvip.pipeline.forecast.rates import Gpu, Rates, Shares, table_of
from clipvip.pipeline.grid import Grid
from clipvip.runtime.machine import machine

STEPS, CLIPS, TOKENS = 3, 2, 32
SUFFIXES = {".mp4", ".avi", ".mkv", ".webm", ".mov", ".flv", ".ogv"}
LOOKED_AT, DECODED = 2000, 8  # files of a corpus that are seen, and that are decoded
ALL = Shares(training=1.0, inference=1.0, generation=1.0)


def idle(path: Path | None = None) -> Rates:
    """This machine without a rate: what a sample of whole stages needs for energy alone."""
    return Rates(
        gpu=_processor(1.0), shares=ALL, host=table_of(path).host, cards=False, said="a sample on this machine"
    )


def measured(grid: Grid, path: Path | None, tell: Callable[[str], object]) -> Rates:
    """Operations and pixels in a second, by trying. ValueError where the shape of the model is not known, or this
    machine has no such device as the experiment runs on."""
    table, device = table_of(path), grid.experiment.run.device
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"run.device: {device}: torch finds no such device here to time a step on; give a card of the table, --gpu "
            f"{' or '.join(table.gpus)}, or a further file with `run: {{device: cpu}}`"
        )
    config, host = shapes.clip_config(grid.experiment.clip), table.host
    tell(f"timing {STEPS} steps of {CLIPS} clips at the true shapes")
    done = training_rate(config, grid.experiment.model, device)
    said = [f"{done / 1e9:,.0f} GFLOP/s of training measured here"]
    for name, corpus in grid.experiment.corpora.items():
        if corpus.root is None or not Path(corpus.root).is_dir():
            continue
        tell(f"decoding a sample of {name}")
        if found := decoding_rate(Path(corpus.root), grid.experiment.frames.size):
            host = host.model_copy(update={"decode_mpixels_s": found})
            said.append(f"{found:,.0f} Mpixel/s decoded of {name}")
            break
    cards = device.startswith("cuda")
    return Rates(gpu=_processor(done / 1e12), shares=ALL, host=host, cards=cards, said="; ".join(said))


def _processor(tflops: float) -> Gpu:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    name = str(machine()["processor"])
    return Gpu(
        name=name, bf16_tflops=tflops, bandwidth_gb_s=math.inf, memory_gb=memory, watts=0.0, source="measured here"
    )


def training_rate(config: Any, settings: ModelSettings, device: str) -> float:
    """Operations in a second of forward and backward passes with random weights [FLOP/s]."""
    from transformers import AutoModel

    torch.manual_seed(0)
    model = ClipVip.from_clip(AutoModel.from_config(config), settings).to(torch.device(device)).train()
    side = config.vision_config.image_size
    videos = [torch.randint(0, 255, (CLIPS, n, side, side, 3), dtype=torch.uint8) for n in (settings.num_frames, 1)]
    ids = torch.full((CLIPS, TOKENS), 3)
    ids[:, -1] = config.text_config.eos_token_id
    kind, taken = torch.device(device).type, []
    for _ in range(STEPS):
        began = time.perf_counter()
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=kind != "cpu"):
            found = [*(model.encode_video(each.to(device)) for each in videos), model.encode_text(ids.to(device))]
            torch.stack([each.sum() for each in found]).sum().backward()
        if kind == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    done = CLIPS * flops.training_flops(config, settings, (settings.num_frames, 1), (TOKENS,))
    return done / median(taken)


def decoding_rate(root: Path, side: int) -> float | None:
    """Mpixels in a second of one thread, 12 frames of a file kept and resized; None where no video is found."""
    files = sorted(_videos(root))
    taken, pixels = 0.0, 0.0
    for path in files[:: max(1, len(files) // DECODED)][:DECODED]:
        seen: list[int] = []

        def choose(total: int, seen: list[int] = seen) -> Any:
            seen.append(total)
            return sample_indices(total, 12, rng=None)

        began = time.perf_counter()
        try:
            frames = read_chosen(path, choose)
            resize(frames, side, "squash")
        except VideoError:
            continue
        taken += time.perf_counter() - began
        pixels += seen[-1] * frames.shape[1] * frames.shape[2] / 1e6
    return pixels / taken if taken else None


def _videos(root: Path) -> Iterator[Path]:
    for count, path in enumerate(root.rglob("*")):
        if count >= LOOKED_AT:
            return
        if path.suffix.lower() in SUFFIXES and not is_image(path) and path.is_file():
            yield path
