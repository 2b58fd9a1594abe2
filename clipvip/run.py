"""How a stage is run: what every stage is handed besides its settings and inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Compiler = Literal["inductor", "aot_eager"]  # aot_eager only traces: to see whether a model can be compiled


def _quiet(step: int, values: dict[str, float | int]) -> None:
    """Log nowhere."""


def _alone(value: int) -> int:
    """Agree with oneself."""
    return value


class Pruned(Exception):
    """Raised by `Run.log` where a run is not worth going on; nothing of it is kept."""


@dataclass(frozen=True)
class Run:
    """How a stage is run; nothing here may change what it makes."""

    work: Path  # state for resuming; survives a crash, removed on success
    device: str = "cpu"
    workers: int = 0
    micro_batch: int | None = None  # clips that keep their graph at a time; null: all of the batch
    compile: Compiler | None = None  # of the video encoder, while it trains
    recompute: bool = False  # activation checkpointing of the video encoder
    checkpoint_seconds: float | None = None  # between checkpoints of training; null: its own default
    rank: int = 0  # which of several processes this is; the first one writes
    agree: Callable[[int], int] = _alone  # what the first process says; all wait for it
    log: Callable[[int, dict[str, float | int]], None] = _quiet
