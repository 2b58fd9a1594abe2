"""Several workers of a sweep, and workers that are killed: no point is lost and none is tried twice."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from pretrain_cells import start
from sweep_parts import experiment, make, plan_file

from clipvip.pipeline import optuna_study, optuna_sweep
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, write_spec
from clipvip.pipeline.sweep_space import Sweep
from clipvip.runtime.files import held


def alive(one: Sweep) -> int:
    """Trials that a living worker holds."""
    worker = optuna_sweep.Worker(one)
    return sum(held(worker.lock(f"-{trial.number}")) for trial in worker.trials() if not trial.state.is_finished())


def _wait(worker: subprocess.Popen[str], ready: Any, seconds: float = 60) -> None:
    for _ in range(int(seconds / 0.05)):
        if ready():
            return
        assert worker.poll() is None, worker.stdout.read() if worker.stdout else ""
        time.sleep(0.05)
    raise AssertionError("the worker never began")


@pytest.mark.slow
def test_workers_that_are_killed_cost_no_point(tmp_path: Path, tiny_clip_folder: Path) -> None:
    """Two workers at a time; one of them is killed again and again, until all points asked for are tried."""
    one = make(experiment(tmp_path, tiny_clip_folder, steps=60), trials=6, pruner="none", retries=9)
    plan = plan_file(one, tmp_path / "plan.json")
    optuna_study.create(one)
    for cell in one.needs():
        run_spec(write_spec(tmp_path, cell))
    steady, killed = start("sweep", "work", plan, "--checkpoint-seconds", "0.2"), 0
    while killed < 3 and steady.poll() is None:
        doomed = start("sweep", "work", plan, "--checkpoint-seconds", "0.2")
        _wait(doomed, lambda: alive(one) == 2)
        time.sleep(0.3)
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.communicate()
        killed += 1
    said = steady.communicate()[0]
    assert steady.returncode == 0, said
    rows = optuna_sweep.trials(one)
    assert rows.loc[rows["state"] == "complete", "cell"].nunique() == (rows["state"] == "complete").sum() == 6
    assert rows["cell"].nunique() == 6
    assert set(rows.loc[rows["state"] == "fail", "reason"]) == {"its worker died"}
    assert len(rows) == 6 + killed


def test_a_killed_workers_trial_is_tried_again(tmp_path: Path, tiny_clip_folder: Path) -> None:
    one = make(experiment(tmp_path, tiny_clip_folder, steps=120), trials=1, pruner="none")
    plan = plan_file(one, tmp_path / "plan.json")
    optuna_study.create(one)
    for cell in one.needs():
        run_spec(write_spec(tmp_path, cell))
    worker = start("sweep", "work", plan, "--checkpoint-seconds", "0.2")
    try:
        _wait(worker, lambda: any((tmp_path / "work").glob("*/*")))
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
    assert optuna_sweep.trials(one)["state"].tolist() == ["running"]
    assert optuna_sweep.Worker(one).work() == 1
    rows = optuna_sweep.trials(one)
    assert rows["state"].tolist() == ["fail", "complete"]
    assert len(set(rows["pretrain.optim.lr"])) == 1
    assert len(set(rows["cell"])) == 1
    assert folder(tmp_path, rows["cell"].iloc[0]).exists()


def test_two_workers_share_the_trials(tmp_path: Path, tiny_clip_folder: Path) -> None:
    one = make(experiment(tmp_path, tiny_clip_folder), trials=5, pruner="none")
    plan = plan_file(one, tmp_path / "plan.json")
    optuna_study.create(one)
    workers = [start("sweep", "work", plan) for _ in range(2)]
    said = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    rows = optuna_sweep.trials(one)
    assert rows["state"].tolist() == ["complete"] * 5
    assert len(set(rows["cell"])) == 5
