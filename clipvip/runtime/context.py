"""What every stage is handed besides its settings and inputs."""

from collections.abc import Callable
from pathlib import Path

from pydantic import ConfigDict

from clipvip.runtime.options import RunOptions


def _quiet(step: int, values: dict[str, float | int]) -> None:
    """Log nowhere."""


def _alone(value: int) -> int:
    """Agree with oneself."""
    return value


class Pruned(Exception):
    """Raised by `Run.log` where a run is not worth going on; nothing of it is kept."""


class Run(RunOptions):
    """The context of a run; nothing here may change what it makes."""

    model_config = ConfigDict(extra="forbid")

    work: Path
    """state for resuming; survives a crash, removed on success"""
    rank: int = 0
    """which of several processes this is; the first one writes"""
    earlier: tuple[Path, ...] = ()
    """finished cells of the same stage; what they say of clips that show the same now may be taken over"""
    agree: Callable[[int], int] = _alone
    """what the first process says; all wait for it"""
    log: Callable[[int, dict[str, float | int]], None] = _quiet
    """takes the metrics of a step"""
