"""Length and learning rate of a run (paper section 4.1): linear warm-up, then cosine to zero."""

import math

from clipvip.config.learning import OptimSettings

PUBLISHED_LAST = 1e-8  # where the authors' code meets a rate of zero


def num_steps(settings: OptimSettings, steps_per_epoch: int | float) -> int:
    """Length of the run in steps; a part of a step counts as one where incomplete batches are kept."""
    if settings.steps is not None:
        return settings.steps
    steps = (settings.epochs or 0) * steps_per_epoch
    return max(1, math.ceil(steps - 1e-9) if settings.keep_partial else round(steps))


def rate(step: int, steps: int, settings: OptimSettings) -> float:
    """Learning rate of a step (0-based); `published_schedule` counts steps from 1, so that the last is at zero, and
    puts 1e-8 there."""
    if settings.published_schedule:
        return _published(step + 1, steps, settings)
    warmup = max(1, round(settings.warmup * steps))
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    return settings.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _published(count: int, steps: int, settings: OptimSettings) -> float:
    warmup = int(settings.warmup * steps)
    if count < warmup:
        return settings.lr * count / warmup
    along = (count - warmup) / max(1, steps - warmup)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * along)) or PUBLISHED_LAST
