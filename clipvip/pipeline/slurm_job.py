"""What a process inside a SLURM job can ask of SLURM: when the job ends, what became of it, and to be started again."""

import os
import re
import subprocess
import time
from datetime import datetime

JOB = "SLURM_JOB_ID"
ANSWER = 30.0  # seconds that a command of SLURM may take


def job() -> str | None:
    """The number of the job that this process is in; None outside of SLURM."""
    return os.environ.get(JOB)


def seconds_left() -> float | None:
    """Until the job's time limit; None outside of SLURM, or where there is no limit or no answer."""
    end = re.search(r"\bEndTime=(\S+)", _shown())
    if end is None or end[1] in ("Unknown", "NONE"):
        return None
    return datetime.fromisoformat(end[1]).timestamp() - time.time()  # both in the local time of the node


def state() -> str | None:
    """RUNNING, CANCELLED, PREEMPTED, TIMEOUT, ...; None outside of SLURM or without an answer."""
    shown = _shown()
    if re.search(r"\bPreemptTime=\d", shown):  # in its time of grace the job is still said to run
        return "PREEMPTED"
    found = re.search(r"\bJobState=(\w+)", shown)
    return found[1] if found else None


def requeue() -> str | None:
    """Have this job started again under its number; why not, where SLURM refuses."""
    number = job()
    if number is None:
        return "not inside a SLURM job"
    try:
        done = subprocess.run(
            ["scontrol", "requeue", number], capture_output=True, text=True, check=False, timeout=ANSWER
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"scontrol requeue: exit code {done.returncode}"


def _shown() -> str:
    number = job()
    if number is None:
        return ""
    try:
        done = subprocess.run(
            ["scontrol", "show", "job", number], capture_output=True, text=True, check=False, timeout=ANSWER
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
