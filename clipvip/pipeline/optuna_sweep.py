"""Optuna sweeps: workers that try settings, each trial a cell; their table, and what is left behind.

A worker holds a lock for as long as its trial runs: a running trial whose lock is free has lost its worker. It is
queued again at the same point and resumes its cell.
"""

import contextlib
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import yaml
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from clipvip.config.base import build
from clipvip.config.sweep import SweepSettings
from clipvip.pipeline.cell import Cell, closure
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.optuna_study import DONE, OPEN, distributions, new_point, open_study, points
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, receipt, write_spec
from clipvip.pipeline.sweep_note import best_overlay, note
from clipvip.pipeline.sweep_space import Sweep, judged, validations
from clipvip.results import study_files
from clipvip.runtime import cell_files, receipts
from clipvip.runtime.context import Pruned
from clipvip.runtime.files import held, locked, write_whole, written

CAUGHT = (ValueError, OSError, RuntimeError)  # of one trial: the others go on


class Worker:
    """One worker of a sweep. `how` is how cells are run: fields of `Run`."""

    def __init__(self, sweep: Sweep, **how: Any) -> None:
        self.sweep, self.how = sweep, how
        self.root = Path(sweep.grid.experiment.results)
        self.study = open_study(sweep)

    def work(self) -> int:
        """Take trials until as many distinct points are tried as asked for; how many were done here."""
        done, settings = 0, self.sweep.settings
        with tqdm(total=settings.trials, desc=f"sweep {self.sweep.name}", unit="point", disable=None) as bar:
            while True:
                bar.update(len(points(self.trials(), DONE)) - bar.n)
                with contextlib.ExitStack() as mine:
                    trial = self.next_trial(mine)
                    if trial is not None:
                        self._do(trial)
                        done += 1
                        continue
                if not any(each.state in OPEN for each in self.trials()):
                    return done
                time.sleep(settings.heartbeat)  # others are at it: wait for them, or for their death

    def trials(self) -> list[FrozenTrial]:
        """All trials, in order."""
        return list(self.study.get_trials(deepcopy=False))

    def lock(self, what: str) -> Path:
        """The lock of the sweep, or (`-<number>`) of one of its trials."""
        return self.root / "locks" / f"sweep-{self.study.study_name}{what}"

    def next_trial(self, mine: contextlib.ExitStack) -> Trial | None:
        """A trial to do, its lock left to `mine`; None where others have all that are open."""
        with locked(self.lock("")):
            self._queue_again()
            if not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                point = new_point(self.sweep, self.trials())
                if point is None:
                    return None
                self.study.enqueue_trial(point, user_attrs={"point": point, "cell": self.sweep.cell(point).name})
            trial = self.study.ask(distributions(self.sweep.settings.space))
            mine.enter_context(locked(self.lock(f"-{trial.number}")))
            return trial

    def _queue_again(self) -> None:
        """Fail the trials whose workers have died, and queue each again unless it died too often without progress."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if held(self.lock(f"-{trial.number}")):
                continue
            attrs, last = trial.user_attrs, -1 if trial.last_step is None else trial.last_step
            deaths = 1 if last > attrs.get("reached", -1) else attrs.get("deaths", 0) + 1
            self.study.tell(trial.number, state=TrialState.FAIL)
            if deaths <= self.sweep.settings.retries:
                kept = {name: attrs[name] for name in ("point", "cell")}
                kept |= {"deaths": deaths, "reached": last, "reports": dict(trial.intermediate_values)}
                self.study.enqueue_trial(attrs["point"], user_attrs=kept)

    def _do(self, trial: Trial) -> None:
        try:
            self.study.tell(trial, self._try(trial))
        except Pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except CAUGHT as error:
            trial.set_user_attr("reason", str(error) or repr(error))
            self.study.tell(trial, state=TrialState.FAIL)

    def _try(self, trial: Trial) -> float:
        settings, told = self.sweep.settings, set[int]()
        cell = self.sweep.cell(trial.user_attrs["point"])

        def tell(step: int, value: float) -> None:
            if step not in told:
                trial.report(value, step)
                told.add(step)

        def log(step: int, figures: dict[str, float | int]) -> None:
            if settings.score in figures:
                tell(step, float(figures[settings.score]))
                if trial.should_prune():
                    raise Pruned

        for step, value in trial.user_attrs.get("reports", {}).items():  # of the part before a death
            tell(int(step), value)
        self._make(cell, log)
        history = pd.read_csv(folder(self.root, cell.name) / cell_files.HISTORY)
        for step, value in validations(history, settings.score).items():  # of a cell that was there before
            tell(step, value)
        value = judged(history, settings.stage, settings.score)
        if not math.isfinite(value):
            raise ValueError(f"{cell.name}: {settings.score} is {value}")
        return value

    def _make(self, cell: Cell, log: Callable[[int, dict[str, float | int]], None]) -> None:
        for other in closure(cell):
            made = receipt(self.root, other.name)
            if made is None or made["lineage"] != other.lineage:
                how = {**self.how, "log": log} if other.name == cell.name else self.how
                run_spec(write_spec(self.root, other), **how)


def trials(sweep: Sweep) -> pd.DataFrame:
    """A row a trial: number, state, score, cell, seconds, why it failed, its settings."""
    return pd.DataFrame([_row(trial, sweep) for trial in open_study(sweep).get_trials(deepcopy=False)])


def _row(trial: FrozenTrial, sweep: Sweep) -> dict[str, Any]:
    seconds = trial.duration.total_seconds() if trial.duration else None
    last, reason = trial.last_step, trial.user_attrs.get("reason")
    if trial.state == TrialState.FAIL and reason is None:
        reason = "its worker died"
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "score": trial.value if trial.state == TrialState.COMPLETE else None,
        "last": None if last is None else trial.intermediate_values[last],
        "cell": trial.user_attrs.get("cell"),
        "seconds": seconds,
        "reason": reason,
        **{name: trial.params.get(name) for name in sweep.settings.space},
    }


def curves(sweep: Sweep) -> dict[int, dict[int, float]]:
    """Trial -> step -> score along training."""
    return {t.number: dict(t.intermediate_values) for t in open_study(sweep).get_trials(deepcopy=False)}


def finish(sweep: Sweep, out: Path) -> dict[str, Any]:
    """Write best.yaml, trials.csv, note.md and the figures; the best values. ValueError where no trial finished."""
    study, rows = open_study(sweep), trials(sweep)
    if rows.empty or not (rows["state"] == "complete").any():
        raise ValueError(f"{out}: sweep {sweep.name}: no trial finished; see results/failed for the reasons")
    out.mkdir(parents=True, exist_ok=True)
    with written(out / study_files.TRIALS) as beside:
        rows.to_csv(beside, index=False)
    write_whole(out / study_files.TRIAL_CURVES, json.dumps(curves(sweep)))
    best, said = dict(study.best_trial.params), note(sweep, rows)
    comment = "".join(f"# {line}\n" for line in said.splitlines() if line)
    write_whole(out / study_files.BEST, comment + yaml.safe_dump(best_overlay(sweep, best), sort_keys=False))
    write_whole(out / "note.md", said)
    for name, figure in _figures(study, rows):
        for kind in ("svg", "png"):
            with written(out / f"{name}.{kind}") as beside:
                figure.savefig(beside, dpi=200, bbox_inches="tight")
    return best


def _figures(study: optuna.Study, rows: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """History, parallel coordinates and, from four finished trials on, the importance of each setting."""
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    from optuna.visualization import matplotlib as plots

    kinds = {"history": plots.plot_optimization_history, "parallel": plots.plot_parallel_coordinate}
    if (rows["state"] == "complete").sum() >= 4 and rows["score"].min() < rows["score"].max():
        kinds["importance"] = plots.plot_param_importances
    for name, plot in kinds.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = plot(study)
        yield name, axes.figure
        pyplot.close(axes.figure)


def read_plan(path: Path) -> Sweep:
    """The sweep of a plan file, which holds its settings and the experiment's."""
    if not path.is_file():
        raise ValueError(f"{path}: no such plan; `snakemake sweep_<name>` writes it")
    plan = receipts.read_json(path)
    if plan is None or not {"name", "sweep", "experiment"} <= plan.keys() or not isinstance(plan["experiment"], dict):
        raise ValueError(f"{path}: no plan of a sweep; `snakemake -n sweep_<name>` writes it anew")
    settings = build(SweepSettings, plan["sweep"], str(path))
    return Sweep(plan["name"], settings, Grid(plan["experiment"]))
