"""Between a rule of the workflow and the cell: devices of the job's own, torchrun where processes share the work, and
attempt after attempt where the time of one is not enough.

An attempt that is asked to stop saves (exit code 75 of `clipvip run`); the next one goes on from there. On one machine
it is started here; a job of SLURM has itself requeued under its number, so that no retry of the workflow is used up.
A job that was told to end (SIGTERM, Ctrl-C) is not started again.
"""

import itertools
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from clipvip.config.resources import Asked
from clipvip.pipeline import progress, slurm_job, verdicts
from clipvip.pipeline.attempt import END, Ended, attempt, found, threads_each
from clipvip.runtime import cell_files, devices, stopping, warm

SPEC = re.compile(r"[a-z_]+-[0-9a-f]{12}\.json")
SAVING = 240  # seconds that torchrun gives its processes to save
AGAIN = (END, signal.SIGUSR1.name, None)  # None: a process of the job was asked, not the job
KILLED_IN = 300.0  # seconds in which SLURM ends a job that is requeued


def launched(words: Sequence[str], asked: Asked, *, shared: bool, requeue: bool = False) -> list[str]:
    """The words after `clipvip` that launch `clipvip <words>` with what a rule asks for.

    `shared`: several processes take part, one for each GPU. `requeue`: the job is a scheduler's, submitted for this.
    """
    several = asked.gpus if shared else 1
    numbered = "--device" in words and ":" in words[words.index("--device") + 1]  # this one, whoever else has it
    flags = ["--gpus", str(asked.gpus)] if asked.gpus and not numbered else []
    flags += ["--attempt-minutes", str(asked.attempt_minutes)] if asked.attempt_minutes else []
    flags += ["--requeue"] if requeue else []
    torchrun = ["torchrun", "--standalone", "--nproc-per-node", str(several), "--shutdown-timeout", str(SAVING), "-m"]
    return ["launch", *flags, "--", *(torchrun if several > 1 else []), "clipvip", *words]


def launch(command: Sequence[str], *, gpus: int = 0, minutes: float | None = None, requeue: bool = False) -> int:
    """Run a command to its end, in as many attempts as it takes; its exit code.

    `gpus`: devices of its own. `minutes`: of an attempt. ValueError where there are not so many devices.
    """
    found(command)  # refused before anything is said
    specs = [Path(word) for word in command if SPEC.fullmatch(Path(word).name)]
    processes = max(1, gpus) if command[0] == "torchrun" else 1
    with devices.lent(gpus) as named:
        environment = named | (threads_each(processes) | {warm.ADDRESS: ""} if processes > 1 else {})
        for number in itertools.count(1 + int(os.environ.get("SLURM_RESTART_COUNT", "0"))):
            verdicts.withdraw(specs)
            seconds = _seconds(minutes, requeue=requeue)
            _say(_header(number, command, named, seconds), progress.whose(command))
            before = _saved(specs)
            ended = attempt(command, environment, seconds, lambda name: _record(specs, name), processes)
            if not ended.stopped:
                return _failed(ended, specs)
            if requeue and slurm_job.state() == "PREEMPTED":
                return _requeued(specs)
            if ended.asked not in AGAIN:
                return stopping.EXIT_CODE
            cut = seconds is not None and minutes is not None and seconds < 0.9 * 60 * minutes  # began late in its job
            if ended.asked is not None and specs and not cut and _saved(specs) == before:
                return _too_long(specs, seconds)
            if requeue and ended.asked is not None:
                return _requeued(specs)
    raise AssertionError


def _seconds(minutes: float | None, *, requeue: bool) -> float | None:
    """Of an attempt: what is asked for, or what is left of the scheduler's job if that is less."""
    limits = [60 * minutes] if minutes else []
    left = slurm_job.seconds_left() if requeue else None
    return min([*limits, max(1.0, left)] if left is not None else limits, default=None)


def _header(number: int, command: Sequence[str], named: dict[str, str], seconds: float | None) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    where = f"{socket.gethostname()}, process {os.getpid()}"
    where += f", SLURM job {slurm_job.job()}" if slurm_job.job() else ""
    where += f", {devices.VISIBLE}={named[devices.VISIBLE]}" if named else ""
    long = f" of {seconds / 60:.3g} minutes" if seconds is not None else ""
    return f"attempt {number}{long}, {now}, {where}: {' '.join(command)}"


def _record(specs: Sequence[Path], name: str) -> None:
    """A job that is told to end says so in the study's row, whoever told it."""
    if name in AGAIN:
        return
    state, left = slurm_job.state(), slurm_job.seconds_left()
    verdict: verdicts.Verdict = next((each for each in verdicts.VERDICTS if each == state), "CANCELLED")
    if left is not None and left < 1 and verdict == "CANCELLED":
        verdict = "TIMEOUT"
    verdicts.record(specs, verdict, f"{name}; what it had saved is kept, and the next run of the workflow goes on")


def _failed(ended: Ended, specs: Sequence[Path]) -> int:
    if ended.code != 0 and ended.out_of_memory:
        verdicts.record(specs, "OUT_OF_MEMORY", "the kernel killed it; ask for more: run.memory_mb or run.rules")
    return ended.code


def _too_long(specs: Sequence[Path], seconds: float | None) -> int:
    """An attempt that saved nothing would be the next one too."""
    minutes = f"{seconds / 60:.3g} minutes" if seconds is not None else "its time"
    said = f"nothing was saved in {minutes}; raise run.attempt_minutes, or run.rules of this rule"
    verdicts.record(specs, "TIMEOUT", said)
    _say(f"TIMEOUT: {said}")
    return 1


def _requeued(specs: Sequence[Path]) -> int:
    """Wait for SLURM to end this job, which it starts again."""
    if slurm_job.job() is None:
        return stopping.EXIT_CODE
    refused = slurm_job.requeue()
    if refused is None:
        _say("requeued")
        time.sleep(KILLED_IN)
    else:
        said = f"SLURM does not requeue it ({refused}); submit with --requeue"
        verdicts.record(specs, "TIMEOUT", said)
        _say(said)
    return stopping.EXIT_CODE


def _saved(specs: Sequence[Path]) -> set[tuple[str, int]]:
    """Names and sizes of what cells have saved on their way, and which of them are made."""
    found = set[tuple[str, int]]()
    for spec in specs:
        root, (stage, key) = spec.parent.parent, spec.stem.split("-", 1)
        places = [*(root / "work").glob(f"{key}-*/**/*"), root / "cells" / stage / key / cell_files.RECEIPT]
        found |= {(str(path), path.stat().st_size) for path in places if path.is_file()}
    return found


def _say(line: str, whose: str = "") -> None:
    print(f"{whose}clipvip: {line}", file=sys.stderr, flush=True)
