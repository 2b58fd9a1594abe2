"""The Optuna study of a sweep: where its trials are kept, and which point is next.

No worker holds state that a restart loses: the next point follows from the sweep's seed, the number of the trial and
what the store holds. It is drawn under a lock, and a point that was tried already is drawn anew.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from clipvip.config.sweep import Range
from clipvip.pipeline.sweep_points import Point, at_random, every, size, spread
from clipvip.pipeline.sweep_space import Sweep
from clipvip.pipeline.sweep_store import JOURNAL, checked
from clipvip.runtime.file_systems import mounts
from clipvip.runtime.files import locked

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.WARNING)
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
OPEN = (TrialState.WAITING, TrialState.RUNNING)
ASKS = 20  # draws of the sampler before a point that was tried is replaced by one of the sequence


def points(trials: list[FrozenTrial], states: tuple[TrialState, ...] = tuple(TrialState)) -> set[str]:
    """The distinct points of the trials in these states, each by its cell."""
    return {trial.user_attrs["cell"] for trial in trials if trial.state in states}


def new_point(sweep: Sweep, trials: list[FrozenTrial]) -> Point | None:
    """A point that no trial has; None where enough are tried or under way, as many failed, or the space has no more."""
    settings, known = sweep.settings, points(trials)
    tried = points(trials, (*DONE, *OPEN))
    if len(tried) >= settings.trials or len(known - tried) >= settings.trials:
        return None
    candidates = _candidates(sweep, trials)
    return next((point for point in candidates if sweep.cell(point).name not in known), None)


def _candidates(sweep: Sweep, trials: list[FrozenTrial]) -> Iterator[Point]:
    """The sampler's draws once it has trials to learn from, then a sequence, then whatever the space has."""
    settings, number = sweep.settings, len(trials)
    if settings.sampler == "tpe" and sum(trial.state in DONE for trial in trials) >= settings.startup:
        seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=1)
        memory = optuna.create_study(sampler=sampler, direction="maximize")
        memory.add_trials(trial for trial in trials if trial.state in (*DONE, TrialState.RUNNING))
        for _ in range(ASKS):  # a draw that is not taken is held against its surroundings
            yield dict(memory.ask(distributions(settings.space)).params)
    sequence = at_random if settings.sampler == "random" else spread
    for index in range(number, number + 10 * ASKS):
        yield sequence(settings.space, index, settings.seed)
    if size(settings.space) < math.inf:
        yield from every(settings.space)


def distributions(space: dict[str, Range]) -> dict[str, BaseDistribution]:
    """The space as Optuna has it."""
    return {name: _distribution(values) for name, values in space.items()}


def _distribution(values: Range) -> BaseDistribution:
    if values.choices is not None:
        return CategoricalDistribution(values.choices)
    low, high, step = values.low, values.high, values.step
    assert low is not None
    assert high is not None
    if values.whole:
        return IntDistribution(int(low), int(high), log=values.log, step=int(step or 1))
    return FloatDistribution(low, high, log=values.log, step=step)


class _Lock(JournalFileOpenLock):  # type: ignore[misc]
    """A lock that is free when its holder dies; what a writer that died left of a line is cut off."""

    def __init__(self, journal: Path) -> None:
        self._journal, self._path = journal, journal.with_name(f"{journal.name}.lock")

    def acquire(self) -> bool:
        self._held = contextlib.ExitStack()
        self._held.enter_context(locked(self._path))
        with self._journal.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            if end and (file.seek(end - 1), file.read(1))[1] != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        self._held.close()


def storage_of(sweep: Sweep) -> BaseStorage:
    """Where Optuna keeps the trials. ValueError where that would not be safe."""
    url = checked(sweep.settings.store, Path(sweep.grid.experiment.results), mounts())
    if url is not None:
        return RDBStorage(url)
    journal = Path(sweep.grid.experiment.results) / JOURNAL
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=_Lock(journal)))


def create(sweep: Sweep) -> int:
    """Make the study; how many points are still to try. A larger `trials` adds to a finished sweep."""
    root = Path(sweep.grid.experiment.results)
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "locks" / "sweep-create"):  # processes that meet a fresh store would all make its tables
        study = open_study(sweep, new=True)
    tried = points(study.get_trials(deepcopy=False), DONE)
    return int(min(max(0, sweep.settings.trials - len(tried)), max(0, size(sweep.settings.space) - len(tried))))


def open_study(sweep: Sweep, *, new: bool = False) -> optuna.Study:
    """The sweep's Optuna study. ValueError where it was not created."""
    settings, name = sweep.settings, f"{sweep.grid.experiment.name}-{sweep.name}-{sweep.key}"
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if settings.pruner == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=settings.startup)
    how = {"storage": storage_of(sweep), "pruner": pruner}
    if new:
        return optuna.create_study(study_name=name, direction="maximize", load_if_exists=True, **how)
    try:
        return optuna.load_study(study_name=name, **how)
    except KeyError:
        where = settings.store or JOURNAL
        raise ValueError(f"{where}: no study {name}; run `clipvip sweep create` first") from None
