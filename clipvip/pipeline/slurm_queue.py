"""What became of the workflow's jobs in SLURM, where they could not say so themselves: as the reason of their cells.

Asked of the controller alone (squeue, scontrol), which knows a job that ended for as long as its MinJobAge.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from clipvip.pipeline import verdicts
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.packs import Job
from clipvip.pipeline.store import failure_path

FORMAT = "%A|%T|%K|%Z|%k"  # number, state, task of an array, working folder, comment
COMMENT = re.compile(r"rule_(\w+?)_wildcards_([0-9a-f]{12})$")  # as Snakemake's executor names a job
KILLED = re.compile(r"oom-kill event|exceeded memory limit|exceeded job memory limit|Out Of Memory", re.IGNORECASE)
LAST = 20_000  # bytes of a log in which SLURM's own last words lie

ADVICE: dict[verdicts.Verdict, str] = {
    "TIMEOUT": "what it had saved is kept, and the next run of the workflow goes on",
    "OUT_OF_MEMORY": "ask for more: run.memory_mb or run.rules",
    "CANCELLED": "what it had saved is kept, and the next run of the workflow goes on",
    "PREEMPTED": "submit with --requeue, and SLURM starts it again",
}


@dataclass(frozen=True)
class _Ended:
    """A job of SLURM that ended, or not."""

    number: int
    state: str
    comment: str
    array: bool


def record(jobs: Jobs) -> list[str]:
    """Note a verdict for the cells of jobs that SLURM ended; the cells' names. Nothing where there is no SLURM."""
    found = []
    for job, ended in _newest(jobs).values():
        shown = _said("scontrol", "show", "job", str(ended.number))
        verdict = _verdict(ended.state, shown)
        if verdict is None:
            continue
        at, now = re.search(r"EndTime=(\S+)", shown), datetime.now()
        end = datetime.fromisoformat(at[1]) if at and at[1][:1].isdigit() else now
        specs = [Path(spec) for spec in jobs.specs(job) if not _noted(Path(spec), verdict, end)]
        found += verdicts.record(specs, verdict, f"SLURM job {ended.number}; {ADVICE[verdict]}")
    return found


def _newest(jobs: Jobs) -> dict[str, tuple[Job, _Ended]]:
    """Of each of our jobs the last that was submitted to SLURM."""
    found: dict[str, tuple[Job, _Ended]] = {}
    for ended in sorted(_listed(jobs), key=lambda each: each.number):
        named = COMMENT.search(ended.comment)
        if named is None:
            continue
        name = _of_log(jobs, named[1], ended.number) if ended.array else named[2]
        if name in jobs.by_id:
            found[name] = jobs.by_id[name], ended
    return found


def _listed(jobs: Jobs) -> Iterator[_Ended]:
    if shutil.which("squeue") is None:
        return
    for line in _said("squeue", "--me", "--noheader", "--states=all", "--array", "--format", FORMAT).splitlines():
        number, state, task, place, comment = line.split("|", 4)
        if (Path(place) / jobs.root).resolve() == jobs.root.resolve():
            yield _Ended(int(number), state, comment, task != "N/A")


def _of_log(jobs: Jobs, rule: str, number: int) -> str:
    """The member of an array that had this number: all are submitted with the comment of the first."""
    for log in (jobs.root / "logs" / rule).glob("*.log"):
        if f"SLURM job {number}" in log.read_text(errors="replace"):
            return log.stem
    return ""


def _verdict(state: str, shown: str) -> verdicts.Verdict | None:
    """What a job came to. One whose step was killed for memory is only said to have failed: its log says why."""
    if state == "FAILED":
        log = re.search(r"StdOut=(.+)", shown)
        return "OUT_OF_MEMORY" if log and KILLED.search(_end_of(Path(log[1].strip()))) else None
    return next((each for each in verdicts.VERDICTS if each == state), None)


def _noted(spec: Path, verdict: verdicts.Verdict, end: datetime) -> bool:
    """Whether the cell has a note of this end already, or one of a later failure."""
    note = failure_path(spec.parent.parent, spec.stem.replace("-", "/", 1))
    if not note.is_file():
        return False
    later = note.stat().st_mtime > end.timestamp()
    return verdicts.recorded(spec) == verdict or (later and verdict != "OUT_OF_MEMORY")


def _end_of(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - LAST))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _said(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
