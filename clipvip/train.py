"""The one training loop: image pre-training, post-pretraining and fine-tuning (paper section 4.1).

AdamW, linear warm-up, cosine to zero, gradient norm, temperature clamped. history.csv is the truth about
a run; a checkpoint holds all that the run is.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from clipvip import checkpoint
from clipvip.batches import Batch, Batches, stream
from clipvip.config import OptimSettings, Terms
from clipvip.model import ClipVip, param_groups
from clipvip.objective import omnisource_loss
from clipvip.run import Run
from clipvip.schedule import num_steps, rate
from clipvip.vision import normalise

VIDEO_TEXT: Terms = ({"video": ("subtitle",)},)  # videos and their texts, the loss of fine-tuning too
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
LOGGED = 100  # rows of the history, at most, beside validations
CHECKPOINT_SECONDS = 120.0


Figures = dict[str, float | int]


@dataclass
class Progress:
    """Where a run stands; with model, optimiser and random states this is all of it."""

    step: int = 0
    history: list[Figures] = field(default_factory=list)
    best_score: float = -math.inf
    best: dict[str, Tensor] | None = None


def fit(
    model: ClipVip,
    batches: Batches,
    terms: Terms,
    settings: OptimSettings,
    run: Run,
    *,
    name: str,
    validate: Callable[[ClipVip], dict[str, float]] | None = None,
    validate_at: frozenset[int] = frozenset(),
    keep_best: bool = False,
) -> list[Figures]:
    """Train `model` in place; the history.

    `validate` is asked after each step count in `validate_at` (0: before the first) and its metrics join
    the history as `val/...`; with `keep_best` the weights of the highest mean recall are the ones that stay.
    """
    device = torch.device(run.device)
    model.to(device)
    optimiser = torch.optim.AdamW(
        param_groups(model, settings.weight_decay, settings.decay_all), lr=settings.lr, betas=settings.betas, fused=True
    )
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
    progress = _resume(run, model, optimiser, scaler)
    steps = num_steps(settings, len(batches))
    every, saved, shown = max(1, steps // LOGGED), time.monotonic(), time.monotonic()

    def look() -> Figures:
        if validate is None or progress.step not in validate_at:
            return {}
        model.eval()
        found = validate(model)
        model.train()
        score = sum(found[f"t2v/R@{k}"] for k in (1, 5, 10)) / 3
        if keep_best and score > progress.best_score:
            progress.best_score = score
            progress.best = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
        return {f"val/{key}": value for key, value in found.items()}

    model.train()
    if progress.step == 0 and (seen := look()):
        progress.history.append({"step": 0, **seen})
    bar = tqdm(total=steps, initial=progress.step, desc=name, disable=None)
    for batch in stream(batches, progress.step, steps, run.workers):
        clock = time.perf_counter()
        figures: Figures = _step(
            model, batch.to(device), terms, settings, optimiser, scaler, rate(progress.step, steps, settings)
        )
        progress.step += 1
        figures["clips_per_s"] = len(batch.video) / (time.perf_counter() - clock)
        figures |= look()
        if progress.step % every == 0 or progress.step == steps or any(key.startswith("val/") for key in figures):
            progress.history.append({"step": progress.step, **figures})
            run.log(progress.step, figures)
        bar.update()
        if bar.disable and time.monotonic() - shown > 15:
            print(f"{name}: {progress.step}/{steps} steps, loss {figures['loss']:.3f}", file=sys.stderr, flush=True)
            shown = time.monotonic()
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(run, model, optimiser, scaler, progress)
            saved = time.monotonic()
    bar.close()
    if progress.best is not None:
        model.load_state_dict(progress.best)
    return progress.history


def _step(
    model: ClipVip,
    batch: Batch,
    terms: Terms,
    settings: OptimSettings,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    lr: float,
) -> Figures:
    for group in optimiser.param_groups:
        group["lr"] = lr
    dtype = DTYPES.get(settings.precision)
    with torch.autocast(batch.video.device.type, dtype=dtype, enabled=dtype is not None):
        embeddings = embed(model, batch)
    loss = omnisource_loss(embeddings, terms, model.logit_scale, present=batch.present)
    optimiser.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    scaler.unscale_(optimiser)
    limit = settings.grad_norm if settings.grad_norm is not None else math.inf
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    scaler.step(optimiser)
    scaler.update()
    model.clamp_logit_scale()
    scale = float(model.logit_scale.detach())
    return {"loss": float(loss.detach()), "lr": lr, "logit_scale": scale, "grad_norm": float(norm)}


def embed(model: ClipVip, batch: Batch) -> dict[str, Tensor]:
    """Embeddings of a batch by role: video, frame and the texts, L2-normalised, Float[batch, dim], fp32."""
    found = {"video": model.encode_video(normalise(batch.video))}
    if batch.frame is not None:
        found["frame"] = model.encode_video(normalise(batch.frame))
    texts = model.encode_text(batch.input_ids, batch.attention_mask)
    found |= dict(zip(batch.roles, texts.chunk(len(batch.roles)), strict=True))
    return {role: value.float() for role, value in found.items()}


def _resume(run: Run, model: ClipVip, optimiser: torch.optim.Optimizer, scaler: Any) -> Progress:
    state = checkpoint.load(run.work)
    if state is None:
        return Progress()
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    scaler.load_state_dict(state["scaler"])
    torch.set_rng_state(state["random"])
    if state["cuda_random"]:
        torch.cuda.set_rng_state_all(state["cuda_random"])
    return Progress(**state["progress"])


def _save(run: Run, model: ClipVip, optimiser: torch.optim.Optimizer, scaler: Any, progress: Progress) -> None:
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "scaler": scaler.state_dict(),
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "progress": vars(progress),
    }
    checkpoint.save(run.work, progress.step, state)
