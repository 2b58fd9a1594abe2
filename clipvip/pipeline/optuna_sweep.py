"""Optuna sweeps: workers that try settings, each trial a cell. The only file that imports optuna.

The trials of a study wait in its store from the start, so that however many workers there are, and however often
they die, there are as many as were asked for. A dead worker's trial is queued again and resumes its cell.
"""

import contextlib
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import yaml
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from clipvip.config.base import build
from clipvip.config.sweep import Range, SweepSettings
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, receipt, write_spec
from clipvip.pipeline.sweep_space import Sweep, closure, judged, validations
from clipvip.results import study_files
from clipvip.runtime import cell_files
from clipvip.runtime.context import Pruned
from clipvip.runtime.files import locked, write_whole, written

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # heartbeats are called so
optuna.logging.set_verbosity(optuna.logging.WARNING)
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
COUNTED = (*DONE, TrialState.WAITING, TrialState.RUNNING)
SILENT = 3  # heartbeats missed by a worker that has died


class Worker:
    """One worker of a sweep. `how` is how cells are run: fields of `Run`."""

    def __init__(self, sweep: Sweep, index: int = 0, **how: Any) -> None:
        self.sweep, self.how = sweep, how
        self.root = Path(sweep.grid.experiment.results)
        self.study = open_study(sweep, index)

    def work(self) -> int:
        """Take trials until none is left, those of dead workers included; how many were done here."""
        done, settings = 0, self.sweep.settings
        with tqdm(total=settings.trials, desc=f"sweep {self.sweep.name}", unit="trial", disable=None) as bar:
            while True:
                bar.update(len(self.study.get_trials(deepcopy=False, states=DONE)) - bar.n)
                if self._take():
                    done += 1
                elif not self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
                    return done
                else:  # others are at it: wait for them, or for their silence
                    time.sleep(min(settings.heartbeat, 5))
                    optuna.storages.fail_stale_trials(self.study)

    def _take(self) -> bool:
        """Do the next waiting trial, if there is one."""
        turn = contextlib.ExitStack()
        turn.enter_context(locked(self.root / "locks" / f"sweep-{self.study.study_name}"))
        with turn:
            if not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                return False

            def objective(trial: Trial) -> float:
                turn.close()  # it is taken: the next worker may look
                return self._try(trial)

            self.study.optimize(objective, n_trials=1, catch=(ValueError, OSError, RuntimeError))
        return True

    def _try(self, trial: Trial) -> float:
        settings = self.sweep.settings
        values = {name: suggest(trial, name, each) for name, each in settings.space.items()}
        cell = self.sweep.cell(values)
        trial.set_user_attr("cell", cell.name)
        told: set[int] = set()

        def log(step: int, figures: dict[str, float | int]) -> None:
            if settings.score in figures:
                trial.report(float(figures[settings.score]), step)
                told.add(step)
                if trial.should_prune():
                    raise Pruned

        try:
            self._make(cell, log)
        except Pruned:
            raise optuna.TrialPruned from None
        history = pd.read_csv(folder(self.root, cell.name) / cell_files.HISTORY)
        for step, value in validations(history, settings.score).items():
            if step not in told:  # of a cell that was there before, or of the part before a resumption
                trial.report(value, step)
        return judged(history, settings.stage, settings.score)

    def _make(self, cell: Cell, log: Any) -> None:
        for other in closure(cell):
            made = receipt(self.root, other.name)
            if made is None or made["lineage"] != other.lineage:
                how = {**self.how, "log": log} if other.name == cell.name else self.how
                run_spec(write_spec(self.root, other), **how)


def create(sweep: Sweep) -> int:
    """The study with all its trials waiting; how many were added. A larger `trials` adds to a finished sweep."""
    root = Path(sweep.grid.experiment.results)
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "locks" / "sweep-create"):  # processes that meet a fresh store would all make its tables
        study = open_study(sweep, 0, new=True)
        added = max(0, sweep.settings.trials - len(study.get_trials(deepcopy=False, states=COUNTED)))
        for _ in range(added):
            study.enqueue_trial({})
    return added


def open_study(sweep: Sweep, worker: int, *, new: bool = False) -> optuna.Study:
    """The sweep's Optuna study. ValueError where it was not created."""
    settings, experiment = sweep.settings, sweep.grid.experiment
    storage = RDBStorage(
        settings.store or f"sqlite:///{Path(experiment.results).absolute()}/optuna.db",
        heartbeat_interval=settings.heartbeat,
        grace_period=SILENT * settings.heartbeat,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=settings.retries),
    )
    seed = 1000 * settings.seed + worker
    sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
    if settings.sampler == "tpe":
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=settings.startup)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if settings.pruner == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=settings.startup)
    name, how = f"{experiment.name}-{sweep.name}-{sweep.key}", {"sampler": sampler, "pruner": pruner}
    if new:
        return optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True, **how)
    try:
        return optuna.load_study(study_name=name, storage=storage, **how)
    except KeyError:
        where = settings.store or "optuna.db"
        raise ValueError(f"{where}: no study {name}; run `clipvip sweep create` first") from None


def suggest(trial: Trial, name: str, values: Range) -> Any:
    """A value of one setting."""
    if values.choices is not None:
        return trial.suggest_categorical(name, values.choices)
    low, high, step = values.low, values.high, values.step
    assert low is not None
    assert high is not None
    if values.whole:
        return trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=values.log)
    return trial.suggest_float(name, low, high, step=step, log=values.log)


def trials(sweep: Sweep) -> pd.DataFrame:
    """A row a trial: number, state, score, cell, seconds, its settings."""
    return pd.DataFrame([_row(trial, sweep) for trial in open_study(sweep, 0).get_trials(deepcopy=False)])


def _row(trial: FrozenTrial, sweep: Sweep) -> dict[str, Any]:
    seconds = trial.duration.total_seconds() if trial.duration else None
    last = trial.last_step
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "score": trial.value if trial.state == TrialState.COMPLETE else None,
        "last": None if last is None else trial.intermediate_values[last],
        "cell": trial.user_attrs.get("cell"),
        "seconds": seconds,
        **{name: trial.params.get(name) for name in sweep.settings.space},
    }


def curves(sweep: Sweep) -> dict[int, dict[int, float]]:
    """Trial -> step -> score along training."""
    return {t.number: dict(t.intermediate_values) for t in open_study(sweep, 0).get_trials(deepcopy=False)}


def finish(sweep: Sweep, out: Path) -> dict[str, Any]:
    """Write best.yaml, trials.csv, note.md and the figures; the best values. ValueError where no trial finished."""
    study, rows = open_study(sweep, 0), trials(sweep)
    if not (rows["state"] == "complete").any():
        raise ValueError(f"{out}: sweep {sweep.name}: every trial failed; see results/failed for the reasons")
    out.mkdir(parents=True, exist_ok=True)
    with written(out / study_files.TRIALS) as beside:
        rows.to_csv(beside, index=False)
    write_whole(out / study_files.TRIAL_CURVES, json.dumps(curves(sweep)))
    best = study.best_trial
    said = note(sweep, rows, best)
    comment = "".join(f"# {line}\n" for line in said.splitlines() if line)
    write_whole(out / "best.yaml", comment + yaml.safe_dump(sweep.change(best.params), sort_keys=False))
    write_whole(out / "note.md", said)
    for name, figure in _figures(study, rows):
        for kind in ("svg", "png"):
            with written(out / f"{name}.{kind}") as beside:
                figure.savefig(beside, dpi=200, bbox_inches="tight")
    return dict(best.params)


def note(sweep: Sweep, rows: pd.DataFrame, best: FrozenTrial) -> str:
    """What was searched, how, and how it ended."""
    settings, counts = sweep.settings, rows["state"].value_counts()
    ended = ", ".join(f"{count} {state}" for state, count in counts.items())
    lines = [
        f"Sweep {sweep.name} of the experiment {sweep.grid.experiment.name}: {settings.stage}, judged by",
        f"{settings.score} on the val split of {settings.set}; no test split was read.",
        f"Sampler {settings.sampler}, pruner {settings.pruner}, seed {settings.seed}. Trials: {ended}.",
        f"Best: trial {best.number}, {best.value:.2f} ({best.user_attrs['cell']}). One seed and the best of many:",
        "run it with further seeds before it is called better. Searched:",
    ]
    for name, each in settings.space.items():
        values = json.dumps(each.choices) if each.choices else f"{each.low} to {each.high}"
        lines.append(f"- {name}: {values}{' (log)' if each.log else ''}; best {best.params[name]}")
    return "\n".join(lines) + "\n"


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
    plan = json.loads(path.read_text())
    settings = build(SweepSettings, plan["sweep"], str(path))
    return Sweep(plan["name"], settings, Grid(plan["experiment"]))
