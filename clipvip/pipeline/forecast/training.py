"""What training and validation take, by arithmetic: operations over a card's rate, bytes over its bandwidth, clips over
the threads that decode. The slowest of them is the time; the loader works while the card does."""

from dataclasses import dataclass
from typing import Any

from clipvip.config.experiment import RunSettings
from clipvip.config.learning import ModelSettings
from clipvip.model import flops
from clipvip.pipeline.forecast.cost import COMPUTE, DECODING, MEMORY, Cost
from clipvip.pipeline.forecast.rates import Rates

MB = 1e6
STATE = 16  # bytes a weight in training: itself, its gradient and AdamW's two, in fp32
WIDTHS = 38  # of a token read or written in a layer's forward pass, its MLP's hidden layer included
KEPT = 34  # bytes that a layer keeps of each of a token's widths, in bf16 with fused attention
HALF = 2  # bytes of a number in bf16
PROCESS_MB = 2500.0  # torch, transformers and a model in a process


@dataclass(frozen=True, kw_only=True)
class Learning:
    """One training: its steps, what a clip of it is, and the clips it is validated on."""

    config: Any  # of the CLIP
    model: ModelSettings
    steps: float
    batch: int
    frames: tuple[int, ...]  # of each of a clip's videos: (12, 1) with its middle frame
    texts: tuple[int, ...]  # tokens of each of its texts
    weights: int
    decoded: float  # seconds of one thread for its frames
    validations: int = 0
    validated: int = 0  # clips
    seen: float = 0.0  # the same of a clip for validation
    tokens: int = 0  # of a text for validation


def learning(own: Learning, run: RunSettings, rates: Rates, gpus: int) -> Cost:
    """The training on so many cards."""
    micro = min(run.micro_batch or own.batch, own.batch // gpus or 1)
    again = int(micro < own.batch / gpus) + int(run.recompute)
    clip: int = flops.training_flops(own.config, own.model, own.frames, own.texts)
    clip += again * flops.forward_flops(own.config, own.model, own.frames, own.texts)
    clips = own.steps * own.batch
    compute = clips * clip / (gpus * rates.flops_s(rates.shares.training))
    traffic = clips * (3 + again) * _traffic(own) / (gpus * rates.gpu.bandwidth_gb_s * 1e9)
    threads = max(1, run.workers) * gpus
    decoding = clips * own.decoded
    waits = {COMPUTE: compute, MEMORY: traffic, DECODING: decoding / threads}
    bound = max(waits, key=lambda name: waits[name])
    trained = waits[bound] if run.workers else max(compute, traffic) + decoding
    looks = own.validations * own.validated
    seen = looks * _seen(own) / rates.flops_s(rates.shares.inference)
    looked = looks * own.seen + seen
    return Cost(
        seconds=trained + looked,
        core_seconds=decoding + looked + gpus * trained,
        memory_mb=PROCESS_MB * gpus + 3 * own.weights * 4 / MB + loader_mb(own, run, gpus),
        gpu_memory_mb=(STATE * own.weights + _kept(own, micro, recompute=run.recompute)) / MB,
        disk_mb=4 * own.weights / MB,
        computing=gpus * compute + seen,
        decoding=decoding + looks * own.seen,
        bound=bound,
    )


def loader_mb(own: Learning, run: RunSettings, gpus: int) -> float:
    """What the loader holds: slots for two batches in parts and two parts more, within its bound, and two batches put
    together (data/loader.py)."""
    pixels: int = own.config.vision_config.image_size**2
    batch = own.batch / gpus * sum(own.frames) * pixels * 3 / MB
    if run.workers == 0:
        return 2 * batch
    bound = run.loader_mb or run.memory_mb / (4 * gpus)
    return gpus * (min(bound, (2 + 2 / run.workers) * batch) + 2 * batch)


def _tokens(own: Learning) -> float:
    """Widths of tokens of a clip that pass the layers, over both towers."""
    vision, text = own.config.vision_config, own.config.text_config
    patches = (vision.image_size // vision.patch_size) ** 2
    seen = sum(own.frames) * patches * vision.num_hidden_layers * vision.hidden_size
    return float(seen + sum(own.texts) * text.num_hidden_layers * text.hidden_size)


def _traffic(own: Learning) -> float:
    """Bytes that a forward pass of a clip moves."""
    return WIDTHS * HALF * _tokens(own)


def _kept(own: Learning, micro: int, *, recompute: bool) -> float:
    """Bytes of activations."""
    return float(micro * (2 * HALF if recompute else KEPT) * _tokens(own))


def _seen(own: Learning) -> float:
    """A clip and a text embedded [FLOP]."""
    clip = flops.video_flops(own.config, own.model, own.frames[0])
    return float(clip + flops.text_flops(own.config, own.tokens))
