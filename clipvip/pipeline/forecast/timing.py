"""How long the twins of cells took, taken apart into what every cell costs, a step, a look at validation and a clip."""

import contextlib
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from clipvip.config.learning import CaptionerSettings
from clipvip.config.stages import FinetuneCell
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, write_spec
from clipvip.runtime import cell_files

WARM = 2  # steps that are slower, since memory is laid out


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock and of the processor."""

    clock: float = 0.0
    processor: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.clock + other.clock, self.processor + other.processor)

    def times(self, factor: float) -> "Spent":
        """So often."""
        return Spent(factor * self.clock, factor * self.processor)

    def less(self, other: "Spent") -> "Spent":
        """What is left; never below nothing."""
        return Spent(max(0.0, self.clock - other.clock), max(0.0, self.processor - other.processor))


@dataclass(frozen=True)
class Taken:
    """What the twin of a cell took."""

    whole: Spent
    step: Spent = Spent()
    look: Spent = Spent()  # one validation
    fixed: Spent = Spent()  # of a training: what is neither step nor look
    memory_mb: float = 0.0
    disk_mb: float = 0.0


@dataclass
class _Watch:
    """Takes the time at every logged step."""

    began: Spent
    marks: list[tuple[Spent, bool]] = field(default_factory=list)

    def log(self, step: int, values: dict[str, Any]) -> None:
        self.marks.append((now(), any(key.startswith("val/") for key in values)))

    def steps(self) -> list[tuple[Spent, bool]]:
        """Each step, and whether it ended with a look."""
        ends = [self.began, *(mark for mark, _ in self.marks)]
        return [(after.less(before), seen) for before, (after, seen) in zip(ends, self.marks, strict=False)]


def now() -> Spent:
    """The two clocks; the processor's counts ended children."""
    own = os.times()
    return Spent(time.perf_counter(), time.process_time() + own.children_user + own.children_system)


def take(root: Path, cell: Cell, **how: Any) -> Taken:
    """Make a twin under `root`, its inputs being there, and take its time."""
    watch = _Watch(now())
    with _quiet():
        run_spec(write_spec(root, cell), log=watch.log, **how)
    whole, place = now().less(watch.began), folder(root, cell.name)
    disk = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
    used = pd.read_csv(place / cell_files.SYSTEM)["memory_mb"].max()
    parts = _apart(cell, watch, whole) if len(watch.marks) > WARM + 1 else {}
    return Taken(whole, memory_mb=float(used), disk_mb=disk, **parts)


def _apart(cell: Cell, watch: _Watch, whole: Spent) -> dict[str, Spent]:
    """Step, look and the rest of a training."""
    steps = watch.steps()
    plain = [spent for spent, seen in steps[WARM:] if not seen]
    step = Spent(median(each.clock for each in plain), median(each.processor for each in plain))
    looks = [spent.less(step) for spent, seen in steps if seen]
    if not looks:
        return {"step": step, "fixed": whole.less(step.times(float(len(steps))))}
    look = Spent(median(each.clock for each in looks), median(each.processor for each in looks))
    at_start = not (isinstance(cell.settings, FinetuneCell) and not cell.settings.keep_start)
    count = len(looks) + (at_start and not isinstance(cell.settings, CaptionerSettings))
    return {"step": step, "look": look, "fixed": whole.less(step.times(float(len(steps))) + look.times(float(count)))}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Bars and messages of the stages are not those of the plan."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
