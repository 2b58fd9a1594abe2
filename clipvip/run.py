"""How a stage is run: what every stage is handed besides its settings and inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _quiet(step: int, values: dict[str, float | int]) -> None:
    """Log nowhere."""


@dataclass(frozen=True)
class Run:
    """How a stage is run; nothing here may change what it makes."""

    work: Path  # state for resuming; survives a crash, removed on success
    device: str = "cpu"
    workers: int = 0
    log: Callable[[int, dict[str, float | int]], None] = _quiet
