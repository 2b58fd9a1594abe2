"""Length and learning rate of a run (paper section 4.1): linear warm-up, then cosine to zero."""

import math

from clipvip.config.learning import OptimSettings


def num_steps(settings: OptimSettings, steps_per_epoch: int) -> int:
    """Length of the run in steps."""
    return settings.steps if settings.steps is not None else max(1, round((settings.epochs or 0) * steps_per_epoch))


def rate(step: int, steps: int, settings: OptimSettings) -> float:
    """Learning rate of a step (0-based)."""
    warmup = max(1, round(settings.warmup * steps))
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    return settings.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
