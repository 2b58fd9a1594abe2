"""The one training loop: image pre-training, post-pretraining and fine-tuning (paper section 4.1).

AdamW, linear warm-up, cosine to zero, gradient norm, temperature clamped. history.csv is the truth about
a run; a checkpoint holds all that the run is.
"""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from clipvip.config.learning import OptimSettings
from clipvip.config.stages import Terms
from clipvip.data.batches import Batch, Batches
from clipvip.data.loader import stream
from clipvip.evaluation.validation import RECALLS
from clipvip.model.clip_vip import ClipVip
from clipvip.model.loss import omnisource_loss
from clipvip.runtime import checkpoint, distributed, stopping
from clipvip.runtime.context import Run
from clipvip.runtime.settled import settled
from clipvip.training import gradient_cache, optimiser
from clipvip.training.meter import Due, Meter
from clipvip.training.schedule import num_steps, rate

VIDEO_TEXT: Terms = ({"video": ("subtitle",)},)  # videos and their texts, the loss of fine-tuning too
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
LOGGED = 100  # rows of the history, at most, beside validations
CHECKPOINT_SECONDS = 120.0


Figures = dict[str, float | int]


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    history: list[Figures] = field(default_factory=list)
    best_score: float = -math.inf
    best: dict[str, str] = field(default_factory=dict)  # the file of the best weights, see checkpoint.keep


@dataclass
class State:
    """Everything a checkpoint needs besides progress and RNG state."""

    model: ClipVip
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler

    def begin(self, run: Run) -> Progress:
        """From the last checkpoint, or from the start; the same in all processes but for their random states.

        Of a checkpoint of another number of processes all is taken but the random states that are missing or too many:
        data and order are those of one process, only what is drawn on the way (patch dropping) is drawn by others.
        Raises ValueError where not all processes can see the checkpoint.
        """
        found = checkpoint.load(run.work)
        progress = Progress()
        if found is not None:
            self.model.load_state_dict(found["model"])
            self.optimiser.load_state_dict(found["optimiser"])
            self.scaler.load_state_dict(found["scaler"])
            progress = Progress(**found["progress"])
            distributed.draw_on(found["random"], found["cuda_random"], progress.step, run.device)
            if distributed.rank() == 0:
                print(f"{run.work}: goes on at step {progress.step}", file=sys.stderr, flush=True)
        elif distributed.rank() > 0:
            torch.manual_seed(torch.initial_seed() + distributed.rank())  # the first draws as if it were alone
        if distributed.first(progress.step) != progress.step:
            raise ValueError(f"{run.work}: the processes do not all see its checkpoint; they must share this folder")
        distributed.spread(self.model.state_dict().values())
        return progress

    def save(self, run: Run, progress: Progress) -> None:
        """Write a checkpoint; all processes call it, the first one writes."""
        cuda = torch.cuda.get_rng_state(run.device) if torch.device(run.device).type == "cuda" else None
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": distributed.gather(torch.get_rng_state()[None]),
            "cuda_random": None if cuda is None else distributed.gather(cuda[None]),
            "progress": vars(progress),
            "kept": progress.best,
        }
        if distributed.rank() == 0:
            checkpoint.save(run.work, progress.step, state)
        distributed.first(progress.step)  # it is written; a disk may take longer than an exchange


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
    """Train `model` in place; the history. Several processes train one model, each on its rows of every batch.

    `validate` is asked after each step count in `validate_at` (0: before the first), its metrics join the history as
    `val/...`; with `keep_best` the weights of the highest mean recall stay."""
    progress = (state := _state(model, settings, run)).begin(run)
    steps, only = num_steps(settings, batches.per_epoch), distributed.rank() == 0
    every, shows, saves = max(1, steps // LOGGED), Due(15.0), Due(_between_checkpoints(run))

    def look() -> Figures:
        kept_in = run.work if keep_best else None
        return _look(model, progress, validate, kept_in) if validate and progress.step in validate_at else {}

    if progress.step == 0 and (seen := look()):
        progress.history.append({"step": 0, **seen})
    meter = Meter(model, run.device, DTYPES.get(settings.precision))
    bar = tqdm(total=steps, initial=progress.step, desc=name, disable=None if only else True)
    with stopping.at_steps() as asked, settled(run.device) as settle:
        for batch in meter.timed(_ahead(batches, progress.step, steps, run)):
            optimiser.prepare(state.optimiser, settings, lr := rate(progress.step, steps, settings), progress.step)
            told = _step(state, batch, terms, settings, run.micro_batch)
            progress.step += 1
            row, said = progress.step % every == 0 or progress.step == steps, bar.disable and only and shows.now()
            meter.stepped(batch, batches.size, wait=row or said or progress.step in validate_at)
            if (seen := look()) or row:
                figures: Figures = {"lr": lr, **{key: float(value) for key, value in told.items()}, **meter.row()}
                progress.history.append({"step": progress.step, **figures, **seen})
                bar.set_postfix(loss=f"{figures['loss']:.3f}", refresh=False)
                if only:
                    run.log(progress.step, figures | seen)
            _save_if_due(state, run, progress, asked=asked(), due=only and saves.now())
            bar.update()
            settle()
            if said:
                done, loss = f"{progress.step}/{steps} steps", float(told["loss"])
                print(f"{name}: {done}, loss {loss:.3f}, {meter.said()}", file=sys.stderr, flush=True)
    bar.close()
    _take_best(model, progress, run)
    return progress.history


def _between_checkpoints(run: Run) -> float:
    return CHECKPOINT_SECONDS if run.checkpoint_seconds is None else run.checkpoint_seconds


def _ahead(batches: Batches, start: int, stop: int, run: Run) -> Iterator[Batch]:
    own = replace(batches, part=(distributed.rank(), distributed.size()))
    how = {"bound": run.loader_bytes, "micro_batch": run.micro_batch}
    return stream(own, start, stop, run.workers, device=torch.device(run.device), **how)


def _save_if_due(state: State, run: Run, progress: Progress, *, asked: bool, due: bool) -> None:
    """Save where it is time, or where one of the processes was asked to stop, which raises `Stopped` in all of them."""
    wanted = distributed.most(2 if asked else 1 if due else 0)
    if wanted:
        state.save(run, progress)
    if wanted == 2:
        raise stopping.Stopped(f"stopped at step {progress.step}; the same command goes on from there")


def _state(model: ClipVip, settings: OptimSettings, run: Run) -> State:
    """The model on its device, run as asked, with a fresh optimiser."""
    device = torch.device(run.device)
    model.to(device).train()
    model.video.recompute = run.recompute
    if run.compile:
        model.video.compile_layers(run.compile)
    return State(
        model, optimiser.adamw(model, settings), torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
    )


def _look(
    model: ClipVip, progress: Progress, validate: Callable[[ClipVip], dict[str, float]], work: Path | None
) -> Figures:
    """Validate, and keep the weights in `work`, where it is given, if they are the best so far; the first process
    does."""
    model.zero_grad(set_to_none=True)  # the validation has their room
    model.eval()
    found = validate(model)
    model.train()
    score = mean_recall(found)
    if work is not None and score > progress.best_score:
        progress.best_score = score
        if distributed.rank() == 0:
            progress.best = checkpoint.keep(work, progress.step, model.state_dict())
    return {f"val/{key}": value for key, value in found.items()}


def _take_best(model: ClipVip, progress: Progress, run: Run) -> None:
    if progress.best_score == -math.inf:
        return
    if distributed.rank() == 0:
        model.load_state_dict(checkpoint.kept(run.work, progress.best))
    distributed.spread(model.state_dict().values())


def mean_recall(found: Figures, prefix: str = "") -> float:
    """By what checkpoints are compared, in percent; of equal ones the first is kept."""
    return sum(found[f"{prefix}t2v/R@{k}"] for k in RECALLS) / len(RECALLS)


def _step(
    state: State, batch: Batch, terms: Terms, settings: OptimSettings, micro_batch: int | None
) -> dict[str, Tensor]:
    """One step of all processes together; `batch` holds the rows of this one. A GPU is not waited for: who reads a
    figure waits."""
    model, adamw, scaler = state.model, state.optimiser, state.scaler
    if settings.clamp_first:
        model.clamp_logit_scale()
    dtype = DTYPES.get(settings.precision)

    def encode(part: Batch) -> dict[str, Tensor]:
        with torch.autocast(part.video.device.type, dtype=dtype, enabled=dtype is not None):
            return embed(model, part)

    present = distributed.gather_by_role(batch.present)

    def loss_of(embeddings: dict[str, Tensor]) -> Tensor:
        return omnisource_loss(distributed.gather_by_role(embeddings), terms, model.logit_scale, present=present)

    adamw.zero_grad(set_to_none=True)
    loss = gradient_cache.backward(encode, loss_of, batch, micro_batch, scaler.scale)
    distributed.average_gradients(model.parameters())
    scaler.unscale_(adamw)
    limit = settings.grad_norm if settings.grad_norm is not None else math.inf
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    scaler.step(adamw)
    scaler.update()
    if not settings.clamp_first:
        model.clamp_logit_scale()
    return {"loss": loss, "logit_scale": model.logit_scale.detach().clone(), "grad_norm": norm}


def embed(model: ClipVip, batch: Batch) -> dict[str, Tensor]:
    """Embeddings by role: video, frame and the texts, L2-normalised, Float[batch, dim], in at least fp32."""
    found = {"video": model.encode_video(batch.video)}
    if batch.frame is not None:
        found["frame"] = model.encode_video(batch.frame)
    texts = model.encode_text(batch.input_ids, batch.attention_mask)
    return found | dict(zip(batch.roles, texts.chunk(len(batch.roles)), strict=True))
