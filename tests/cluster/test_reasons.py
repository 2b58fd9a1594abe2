"""What SLURM did to a job is the reason of its cells, though the job itself could not say so."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from slurm import Slurm, tell

from clipvip.config.base import read_yaml
from clipvip.pipeline import slurm_queue
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Job, Jobs
from clipvip.pipeline.store import state

ROOT = Path(__file__).parents[2]
HOG = f"srun --ntasks=1 {sys.executable} -c 'x = bytearray(400_000_000)'"
DONE = {"CANCELLED", "FAILED", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}


def submit(place: Path, job: Job, script: str, *words: str) -> str:
    """A job of SLURM that calls itself as the executor calls one of the workflow's; its number."""
    name = f"rule_{job.rule}_wildcards_{job.id}"
    own = ["--parsable", "--comment", name, "--output", str(place / f"{job.id}.log"), "--chdir", str(place)]
    return tell("sbatch", *own, "--nodes=1", "--mem=100", *words, "--wrap", script)


@pytest.mark.slow
def test_what_slurm_did_to_a_job_is_the_reason_of_its_cells(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes: a time limit is of a minute at least."""
    monkeypatch.chdir(tmp_path)
    data = read_yaml(ROOT / "experiments/smoke.yaml")
    data |= {"results": "results", "studies": str(ROOT / "experiments/studies.yaml")}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(data))
    jobs = Jobs(Grid(data))
    jobs.prepare()
    assert slurm_queue.record(jobs) == []
    late, running, waiting, large, spare, good = [job for job in jobs.by_id.values() if job.rule == "variant"][:6]
    on_n2 = ("--partition=cpu", "--nodelist=n2")  # the other one is taken from the spare job
    numbers = [
        submit(tmp_path, late, "sleep 300", *on_n2, "--time=1"),
        submit(tmp_path, running, "sleep 300", *on_n2, "--time=10"),
        submit(tmp_path, waiting, "sleep 300", *on_n2, "--begin=now+1hour"),
        submit(tmp_path, large, HOG, *on_n2, "--time=10"),
        submit(tmp_path, spare, "sleep 300", "--partition=spare", "--time=10", "--nodelist=n1"),
    ]
    other = submit(tmp_path / "..", good, "false", "--partition=cpu")  # of another results folder
    slurm.wait_for(lambda: slurm.jobs()[numbers[4]][0] == "RUNNING", "the spare job", 60)
    slurm.wait_for(lambda: slurm.jobs()[numbers[1]][0] == "RUNNING", "the job to cancel", 60)
    tell("scancel", numbers[1], numbers[2])
    tell("sbatch", "--partition=urgent", "--nodelist=n1", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    slurm.wait_for(lambda: {slurm.jobs()[number][0] for number in [*numbers, other]} <= DONE, "the ends", 240)
    named = slurm_queue.record(jobs)
    assert len(named) == sum(len(job.cells) for job in (late, running, waiting, large, spare))
    said = [state(jobs.root, job.cells[-1]).split(";")[0] for job in (late, running, waiting, large, spare)]
    expected = ["TIMEOUT", "CANCELLED", "CANCELLED", "OUT_OF_MEMORY", "PREEMPTED"]
    assert said == [f"failed: {verdict}: SLURM job {n}" for verdict, n in zip(expected, numbers, strict=True)]
    assert state(jobs.root, good.cells[-1]) == "missing"
    assert slurm_queue.record(jobs) == []  # once
    command = [sys.executable, "-m", "clipvip", "cells", "own.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"failed: OUT_OF_MEMORY: SLURM job {numbers[3]}; ask for more: run.memory_mb or run.rules" in done.stdout
