"""What a sweep searches: a stage, settings with ranges, and the validation score that judges them.

A trial is a cell like any other. Only post-pretraining and fine-tuning can be searched: both read val splits
alone, and no cell that reads a test split is among a trial's inputs.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.base import build, digest, merge, read_yaml
from clipvip.config.sweep import Range, SweepSettings, Value
from clipvip.pipeline.cell import Cell, closure
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.results import study_files
from clipvip.runtime.files import write_whole

SWEEPS = Path("experiments/sweeps")
SCORES = ("val/t2v/R@1", "val/t2v/R@5", "val/t2v/R@10")


class Sweep:
    """A sweep of an experiment. Raises ValueError where a setting of the space does not exist."""

    def __init__(self, name: str, settings: SweepSettings, grid: Grid) -> None:
        self.name, self.settings, self.grid = name, settings, grid
        if settings.set not in grid.experiment.downstream:
            raise ValueError(f"sweep {name}: set {settings.set!r} is none of {', '.join(grid.experiment.downstream)}")
        wrong = [key for key in settings.space if key.split(".")[0] not in ("model", "pretrain", "finetune")]
        if wrong:
            raise ValueError(f"sweep {name}: space: {wrong[0]} is no setting of model, pretrain or finetune")
        for first in (True, False):  # both ends, so that no trial fails on a value that was never allowed
            self.cell({key: ends(each)[0 if first else 1] for key, each in settings.space.items()})

    def change(self, values: dict[str, Value]) -> dict[str, Any]:
        """Values by dotted name, over the sweep's base, as the nested mapping that a variant is."""
        whole = self._base()
        for name, value in values.items():
            nested: Any = value
            for key in reversed(name.split(".")):
                nested = {key: nested}
            whole = merge(whole, nested)
        return whole

    def _base(self) -> dict[str, Any]:
        base = self.settings.base
        if self.settings.stage == "pretrain" and base.get("pretrain", {}) is not None:
            return merge(base, {"pretrain": {"validate_on": self.settings.set}})  # type: ignore[no-any-return]
        return base

    def cell(self, values: dict[str, Value]) -> Cell:
        """The cell of a trial. ValueError where it has no validation to be judged by."""
        settings = self.settings
        cells = self.grid.variant(self.change(values), (settings.set,), settings.seed, f"sweep {self.name}")
        role = settings.stage if settings.stage == "pretrain" else f"finetune/{settings.set}"
        if role not in cells:
            raise ValueError(f"sweep {self.name}: its base switches the stage {settings.stage} off")
        cell = cells[role]
        if settings.stage == "pretrain" and not getattr(cell.settings, "validate_every", None):
            raise ValueError(f"sweep {self.name}: pretrain.validate_every is not set, so no trial could be judged")
        assert all(other.stage != "evaluate" for other in closure(cell)), "a trial never reads a test split"
        return cell

    def needs(self) -> list[Cell]:
        """What the trials are made from, inputs first; the same for all unless the space changes it."""
        return list(closure(self.cell({key: ends(each)[0] for key, each in self.settings.space.items()})))[:-1]

    @property
    def key(self) -> str:
        """Names what is searched, on what, by which code; how many trials and workers does not matter."""
        how = {"trials", "workers", "heartbeat", "retries", "store"}
        first = self.cell({key: ends(each)[0] for key, each in self.settings.space.items()})
        made = [[cell.name, cell.lineage] for cell in closure(first)]
        return digest(["distinct points", self.settings.model_dump(mode="json", exclude=how), made])


def ends(values: Range) -> tuple[Value, Value]:
    """First and last value."""
    if values.choices is not None:
        return values.choices[0], values.choices[-1]
    return values.low, values.high


def validations(history: pd.DataFrame, score: str) -> dict[int, float]:
    """Step -> score, where the run was validated."""
    if score not in history.columns:
        return {}
    found = history[["step", score]].dropna()
    return {int(step): float(value) for step, value in zip(found["step"], found[score], strict=True)}


def judged(history: pd.DataFrame, stage: str, score: str) -> float:
    """The score of the weights that the stage kept: post-pretraining keeps the last, fine-tuning the step of the
    best mean recall on val. ValueError where there was no validation."""
    rows = history.dropna(subset=[name for name in SCORES if name in history.columns])
    if score not in history.columns or rows.empty:
        raise ValueError("the history has no validation")
    if stage == "pretrain":
        return float(rows[score].iloc[-1])
    return float(rows[score].iloc[int(rows[list(SCORES)].mean(axis=1).to_numpy().argmax())])


class SweepPlan:
    """The sweep in experiments/sweeps/<name>.yaml as the workflow sees it: a plan file for its workers, and markers."""

    def __init__(self, jobs: Jobs, name: str) -> None:
        file = SWEEPS / f"{name}.yaml"
        settings = build(SweepSettings, read_yaml(file) or {}, str(file))
        self._jobs, self._sweep = jobs, Sweep(name, settings, jobs.grid)
        self.home = jobs.root / jobs.grid.experiment.name / "sweeps" / name
        self.trials = -(-settings.trials // settings.workers)  # of one worker
        asked = digest([self._sweep.key, settings.trials, settings.workers])
        self._marked = f"{jobs.root}/jobs/sweep/{name}-{asked}"
        self.workers = [f"{self._marked}/worker-{index}" for index in range(settings.workers)]
        self.finished = f"{self._marked}/finished"

    @property
    def path(self) -> str:
        """The plan file, written where it changed."""
        path, sweep = self.home / study_files.PLAN, self._sweep
        plan = {"name": sweep.name, "sweep": sweep.settings.model_dump(mode="json"), "experiment": sweep.grid.given}
        text = json.dumps(plan, indent=1) + "\n"
        if not path.exists() or path.read_text() != text:
            write_whole(path, text)
        return str(path)

    @property
    def needs(self) -> list[str]:
        """Markers of the jobs that make what trials start from; what no study makes, the workers make."""
        return sorted({self._jobs.marker_of(cell) for cell in self._sweep.needs()} - {""})
