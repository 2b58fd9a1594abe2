"""The smoke grid's data-scale study through a real SLURM, disturbed twenty times: the results of a calm run."""

import collections
import math
import random
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from events import Events
from laboratory import Laboratory, compare
from slurm import Slurm

EVENTS = 20
TRAINING = 60.0  # seconds that a post-pretraining takes alone: limits of SLURM are in minutes
SMOKE = ("--configfile", "experiments/smoke.yaml")
TARGET = ("--", "ablate_data_scale")
EXPERIMENT = (*SMOKE, "more.yaml", *TARGET)
PROFILE = ("--profile", "profiles/slurm", "--jobs", "2", "--slurm-init-seconds-before-status-checks", "2")


def disturbed(laboratory: Laboratory, slurm: Slurm, events: Events, number: int) -> collections.Counter[str]:
    """Give the command until it ends well, with so many events on the way; how many of each kind."""
    counted: collections.Counter[str] = collections.Counter()
    starts, command, deadline = 1, start(laboratory), time.monotonic() + 5400
    todo = [kind for _ in range(number) for kind in events.kinds][:number]
    while todo or command.poll() is None:
        assert time.monotonic() < deadline, (todo, (laboratory.place / "said.log").read_text()[-4000:])
        time.sleep(events.chance.uniform(2, 6))
        events.hurry()
        for kind in todo if command.poll() is None else []:  # the next that a running job is fit for
            if what := events.kinds[kind]():
                todo.remove(kind)
                counted[kind] += 1
                print(f"{counted.total():>3} of {number}: {kind}: {what}", flush=True)
                break
        if command.poll() is not None and (todo or command.returncode != 0):
            not_twice(slurm)
            if command.returncode == 0:  # all was made before it was disturbed often enough
                for stage in ("pretrain", "evaluate"):
                    shutil.rmtree(laboratory.place / "results" / "cells" / stage)
            command, starts = start(laboratory), starts + 1
            assert starts < 3 * number, (laboratory.place / "said.log").read_text()[-4000:]
    counted["starts of the command"] = starts
    return counted


def longer(place: Path) -> dict[str, object]:
    """Settings over the smoke grid's with so many steps that an event can come in the middle of a training, however
    quick the machine is."""
    probe = Laboratory(place)
    assert probe.start("--cores", "2", *SMOKE, *TARGET).wait(900) == 0, (place / "said.log").read_text()[-4000:]
    histories = [pd.read_csv(path) for path in (place / "results/cells/pretrain").glob("*/history.csv")]
    step = min(history["step_s"].min() for history in histories)  # the others may have had other work beside them
    steps = math.ceil(TRAINING / step)
    print(f"post-pretrainings of {steps} steps, {1000 * step:.1f} ms each", flush=True)
    return {
        "pretrain": {"optim": {"steps": steps}, "validate_every": steps // 2},
        "run": {"gpus": 1, "checkpoint_seconds": 2, "attempt_minutes": 30},
    }


def start(laboratory: Laboratory) -> subprocess.Popen[bytes]:
    return laboratory.start(*PROFILE, *EXPERIMENT)


def not_twice(slurm: Slurm) -> None:
    """No command submits a job a second time, whatever became of it: SLURM starts again what should be."""
    said = subprocess.run(["squeue", "--noheader", "--states=all", "--format", "%j %k"], capture_output=True, text=True)
    named = [line for line in said.stdout.splitlines() if "rule_" in line and "caption_shard" not in line]
    assert len(named) == len(set(named))


@pytest.mark.slow
def test_twenty_events_change_nothing(slurm: Slurm, tmp_path: Path) -> None:
    """Half an hour."""
    more = longer(tmp_path / "probe")
    calm, wild = Laboratory(tmp_path / "calm"), Laboratory(tmp_path / "wild")
    for each in (calm, wild):
        (each.place / "more.yaml").write_text(yaml.safe_dump(more))
    undisturbed = calm.start("--cores", "1", *EXPERIMENT)
    try:
        events = Events(slurm, wild.place / "results", random.Random(0))
        counted = disturbed(wild, slurm, events, EVENTS)
        assert undisturbed.wait(1800) == 0, (calm.place / "said.log").read_text()[-4000:]
    finally:
        for laboratory in (calm, wild):
            for process in laboratory.processes():
                process.kill()
    rows = [(kind, str(count)) for kind, count in counted.items()]
    differing = []
    for what, number, differ in compare(calm.place / "results", wild.place / "results"):
        rows.append((f"{what} compared", f"{number}, {len(differ)} differ"))
        differing += [f"{what}: {each}" for each in differ]
    print("\n".join(["", "| what | count |", "|---|---|", *(f"| {what} | {count} |" for what, count in rows)]))
    assert differing == []
    assert list((wild.place / "results" / "work").glob("*")) == []
