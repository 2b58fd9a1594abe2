"""How far a workflow is: cells made of all, the time left, what runs, what failed.

The workflow's list names its cells and jobs (worklist.py); the rest stands in the results themselves: receipts say what
is made and what it took, in earlier runs too, locks say what runs, and in a lock stands how far its cell is.
"""

import contextlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from statistics import mean, median
from typing import Any

from clipvip.results import study_files
from clipvip.runtime import bars, cell_files, receipts
from clipvip.runtime.files import held

SAMPLE = 2  # receipts of one kind of cell that an estimate reads
LIGHT = {"notebook": 8.0, "track": 8.0, "report": 8.0}  # seconds that a job takes, about


class Progress:
    """What the list at `path` (results/<experiment>/jobs.json) and the results beside it say now."""

    def __init__(self, path: Path) -> None:
        found = receipts.read_json(path)
        if found is None or not _is_list(found):
            raise ValueError(f"{path}: no list of a workflow; `snakemake -n` writes it anew")
        self.root, self._written = path.parent.parent, path.stat().st_mtime
        self.name: str = path.parent.name
        self.cells: dict[str, dict[str, Any]] = found["cells"]
        self.jobs: dict[str, dict[str, Any]] = found["jobs"]
        self._at_once = int(found["at_once"])
        self._light: list[tuple[str, str]] = found.get("light", [])

    @cached_property
    def made(self) -> set[str]:
        """The cells that are made: at the start of the workflow, or since."""
        found = {name for name, cell in self.cells.items() if cell["made"]}
        return found | {name for name in self.cells if self._made_at(name) >= self._written}

    def _made_at(self, name: str) -> float:
        """When a cell was made; 0 where it never was."""
        try:
            return (self.root / "cells" / name / cell_files.RECEIPT).stat().st_mtime
        except OSError:
            return 0.0

    def lock(self, name: str) -> Path:
        """The lock of a cell."""
        return self.root / "locks" / name.replace("/", "-")

    def running(self) -> dict[str, str]:
        """Cells that some process makes now -> how far it is."""
        found = {}
        for name in self.cells:
            if name not in self.made and held(self.lock(name)):
                found[name] = str((receipts.read_json(self.lock(name)) or {}).get("said") or "")
        return found

    def failed(self) -> dict[str, str]:
        """Cells that failed and are not made since -> why, in one line."""
        notes = {name: self.note(name) for name in self.cells if name not in self.made}
        why = {name: receipts.failure(path) for name, path in notes.items()}
        return {name: (said.strip().splitlines() or [""])[0] for name, said in why.items() if said is not None}

    def note(self, name: str) -> Path:
        """Where it says why a cell failed."""
        return self.root / "failed" / f"{name.replace('/', '-')}.json"

    # -- time ------------------------------------------------------------------------------------

    @cached_property
    def _took(self) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Seconds of some cells of each kind and stage, for one test set."""
        kinds, stages = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        for name, cell in self.cells.items():
            if len(kinds[cell["kind"]]) < SAMPLE:
                found = receipts.read(self.root / "cells" / name)  # a stale one tells its time as well
                if found is not None and "seconds" in found:
                    seconds = float(found["seconds"]) / cell["galleries"]
                    kinds[cell["kind"]].append(seconds)
                    stages[name.split("/")[0]].append(seconds)
        return kinds, stages

    def _seconds(self, name: str) -> float | None:
        kinds, stages = self._took
        cell, stage = self.cells[name], name.split("/")[0]
        if alike := kinds.get(cell["kind"]):
            return mean(alike) * float(cell["galleries"])
        return median(stages[stage]) * float(cell["galleries"]) if stages.get(stage) else None

    def left(self) -> tuple[float, bool]:
        """Seconds until all is made, and whether that counts every cell: shared among the jobs that run side by side,
        but no shorter than the longest chain."""
        known = {name: self._seconds(name) for name in self.cells if name not in self.made}
        of_job: defaultdict[str, float] = defaultdict(float)
        for name, seconds in known.items():
            of_job[self.cells[name]["job"]] += max(0.0, (seconds or 0.0) - self._worked(name))
        ends: dict[str, float] = {}

        def end(job: str) -> float:
            if job not in ends:
                before = max((end(other) for other in self.jobs[job]["needs"] if other in self.jobs), default=0.0)
                ends[job] = before + of_job[job]
            return ends[job]

        light = [LIGHT[rule] for rule, output in self._light if not self._shown(Path(output))]
        longest = max((end(job) for job in self.jobs), default=0.0) + max(light, default=0.0)
        shared = (sum(of_job.values()) + sum(light)) / max(1, self._at_once)
        return max(longest, shared), None not in known.values()

    def _worked(self, name: str) -> float:
        """Seconds that a running cell has worked; 0 where none makes it."""
        lock = self.lock(name)
        if not held(lock):
            return 0.0
        since = (receipts.read_json(lock) or {}).get("since")
        with contextlib.suppress(OSError):  # whoever took the lock emptied it
            return max(0.0, time.time() - float(since or lock.stat().st_mtime))
        return 0.0

    def _shown(self, output: Path) -> bool:
        """Whether what a light job makes is there, of the newest cells."""
        try:
            return output.stat().st_mtime >= self._newest
        except OSError:
            return False

    @cached_property
    def _newest(self) -> float:
        return max((self._made_at(name) for name in self.made), default=0.0)

    def counted(self) -> str:
        """`128 of 300 cells made, about 9 min left`."""
        seconds, whole = self.left()
        said = f"{len(self.made)} of {len(self.cells)} cells made"
        if seconds == 0 or not (whole or self._took[1]):
            return said
        return f"{said}, {'about' if whole else 'more than'} {duration(seconds)} left"


def duration(seconds: float) -> str:
    """`40 s`, `9 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def told(specs: Sequence[Path], listed: Path | None) -> Iterator[Callable[[Path], None]]:
    """While the `with` lasts, a job that makes these specs says whose it is and how far; it names each as it begins."""
    current: list[tuple[Path, float]] = []

    def begin(spec: Path) -> None:
        current.append((spec, time.time()))

    def note(said: str) -> None:
        with contextlib.suppress(OSError, IndexError):  # whoever asks is told less
            spec, since = current[-1]
            lock = spec.absolute().parent.parent / "locks" / spec.stem
            if lock.is_file():
                lock.write_text(json.dumps({"said": said, "since": since}), encoding="utf-8")

    job = _job(specs[0], listed) if listed is not None else None
    if os.environ.get("RANK", "0") != "0" or job is None or listed is None:  # the first process tells
        with bars.shown("", note):
            yield begin
        return
    started = time.monotonic()
    with bars.told_apart(job["brief"], note):
        print(f"[{Progress(listed).counted()}] {job['title']}", file=sys.stderr)
        yield begin
        took = duration(time.monotonic() - started)
        print(f"[{Progress(listed).counted()}] done in {took}: {job['title']}", file=sys.stderr)


def whose(command: Sequence[str]) -> str:
    """What the lines of `clipvip run SPEC ... --listed FILE` begin with; empty for another command."""
    specs = [Path(word) for word in command if word.endswith(".json") and Path(word).parent.name == "specs"]
    listed = Path(command[command.index("--listed") + 1]) if "--listed" in command[:-1] else None
    job = _job(specs[0], listed) if specs and listed is not None and listed.is_file() else None
    return f"{job['brief']} | " if job is not None else ""


def _job(spec: Path, listed: Path) -> dict[str, Any] | None:
    """The job that makes a spec's cell; None where the list has been written anew since, without it."""
    progress = Progress(listed)
    cell = progress.cells.get(spec.stem.replace("-", "/", 1))
    return progress.jobs[cell["job"]] if cell is not None else None


def _is_list(found: dict[str, Any]) -> bool:
    """Whether it has the form that worklist.py writes."""
    cells, jobs = found.get("cells"), found.get("jobs")
    if not (isinstance(cells, dict) and isinstance(jobs, dict) and isinstance(found.get("at_once"), int)):
        return False
    of_cell, of_job = {"title", "kind", "galleries", "made", "job"}, {"title", "brief", "needs"}
    named = all(isinstance(cell, dict) and of_cell <= cell.keys() and cell["job"] in jobs for cell in cells.values())
    inside = all(".." not in Path(name).parts and not Path(name).is_absolute() for name in cells)
    return named and inside and all(isinstance(job, dict) and of_job <= job.keys() for job in jobs.values())


def lists(folder: Path) -> list[Path]:
    """The lists below a results folder, or of an experiment in it. ValueError: there is none."""
    own = folder / study_files.JOBS
    found = [own] if own.is_file() else sorted(folder.glob(f"*/{study_files.JOBS}"))
    if not found:
        raise ValueError(f"{folder}: no workflow has begun here; give results or results/<experiment>")
    return found


def status(path: Path) -> str:
    """What a workflow does now, for people."""
    progress = Progress(path)
    running, failed = progress.running(), progress.failed()
    failed = {name: why for name, why in failed.items() if name not in running}
    to_come = len(progress.cells) - len(progress.made) - len(running) - len(failed)
    lines = [f"{progress.name}: {progress.counted()}; {len(running)} running, {len(failed)} failed, {to_come} to come"]
    for name, said in running.items():
        lines.append(f"  runs    {progress.cells[name]['title']}  {said or 'begins'}  ({name})")
    for name, why in failed.items():
        lines.append(f"  failed  {progress.cells[name]['title']}: {why}  ({progress.note(name)})")
    return "\n".join(lines)
