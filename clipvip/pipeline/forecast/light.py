"""What tables, notebooks, tracking and the page take: by a figure a job, or timed on the twins of two studies."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from clipvip.config.stages import EvaluateCell
from clipvip.pipeline.forecast.cost import Cost
from clipvip.pipeline.forecast.sample import Sample, units
from clipvip.pipeline.forecast.timing import Spent, now
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.plans import plan_of
from clipvip.pipeline.study import Study
from clipvip.results import study_files
from clipvip.runtime import warm
from clipvip.runtime.files import write_whole

STUDY = Path("analysis/study.ipynb")
MEMORY_MB = 1200.0


def stated(grid: Grid, seconds: float) -> dict[str, Cost]:
    """The same figure for each job."""
    one = Cost(seconds=seconds, core_seconds=seconds, memory_mb=MEMORY_MB)
    return _of_all(grid, lambda rule, study: one)


def _of_all(grid: Grid, cost: Callable[[str, str], Cost]) -> dict[str, Cost]:
    found = {f"{rule} {name}": cost(rule, name) for name in grid.studies for rule in ("table", "notebook", "track")}
    tables = [cost("all_tables", name) for name in grid.studies]
    seconds, cores = (sum(getattr(each, name) for each in tables) for name in ("seconds", "core_seconds"))
    return found | {
        "all_tables": replace(tables[0], seconds=seconds, core_seconds=cores),
        "report": cost("report", next(iter(grid.studies))),
        "store": cost("store", next(iter(grid.studies))),
    }


class Light:
    """Light jobs timed on the twins: of the study with fewest cells and of that with most."""

    def __init__(self, grid: Grid, sample: Sample, root: Path, tell: Callable[[str], object]) -> None:
        self._grid, self._sample, self._root = grid, sample, root
        by_size = sorted(grid.studies.values(), key=lambda study: self._size(self._twin(study)))
        self._timed: dict[str, list[tuple[float, Spent]]] = {}
        self._uri = f"sqlite:///{root.absolute()}/sample.db"
        with warm.listening(grid.experiment.run.threads):
            artifacts = str(root.absolute() / "artifacts")
            self._run("store", 1.0, "-m", "clipvip", "track", "--uri", self._uri, "--artifacts", artifacts)
            for study in dict.fromkeys([by_size[0].name, by_size[-1].name]):
                tell(f"timing the table, the notebook and the tracking of {study}")
                self._time(self._twin(grid.studies[study]))

    def costs(self) -> dict[str, Cost]:
        """Of all light jobs of the grid."""
        return _of_all(self._grid, self._cost)

    def _cost(self, rule: str, study: str) -> Cost:
        size = 1.0
        if rule in ("table", "all_tables"):  # the page is made anew with each table, and once with all of them
            size = self._size(self._grid.studies[study])
        elif rule == "track":
            size = float(len({cell.name for cell in self._grid.studies[study].cells()}))
        spent = _on_line(self._timed["table" if rule == "all_tables" else rule], size)
        if rule == "table":
            spent += _on_line(self._timed["report"], 1.0)
        return Cost(seconds=spent.clock, core_seconds=spent.processor, memory_mb=MEMORY_MB)

    def _twin(self, study: Study) -> Study:
        """The study with one row a variant, of twins."""
        first = {row.variant: row for row in reversed(study.rows)}
        rows = [
            replace(row, cells={role: self._sample.twins.of(cell) for role, cell in row.cells.items()})
            for row in (first[name] for name in study.settings.variants if name in first)
        ]
        return replace(study, rows=rows, gap=self._sample.twins.of(study.gap) if study.gap else None)

    def _size(self, study: Study) -> float:
        """Queries in all rows of a table."""
        evaluations = [cell for cell in study.cells() if isinstance(cell.settings, EvaluateCell)]
        return sum(units(cell) for cell in evaluations)

    def _time(self, study: Study) -> None:
        folder = self._root / self._grid.experiment.name / "studies" / study.name
        plan = plan_of(self._grid, study, None) | {"captions": self._captions()}
        write_whole(folder / study_files.PLAN, json.dumps(plan))
        size, cells = self._size(study), float(len({cell.name for cell in study.cells()}))
        self._run("table", size, "-m", "clipvip", "table", str(folder / study_files.PLAN))
        self._run("track", cells, "-m", "clipvip", "track", str(folder / study_files.PLAN), "--uri", self._uri)
        notebook = ["-m", "nbconvert", "--execute", "--to", "notebook", "--output-dir", str(folder), str(STUDY)]
        if STUDY.is_file():
            self._run("notebook", 1.0, *notebook, CLIPVIP_STUDY=str(folder.absolute()))
        else:
            self._timed.setdefault("notebook", []).append((1.0, self._timed["table"][0][1]))
        self._run("report", 1.0, "-m", "clipvip", "report", str(folder), "--out", str(folder / "page"))

    def _captions(self) -> dict[str, str]:
        made = [self._sample.twins.of(cell) for cell in self._grid.cells.values() if cell.stage == "captions"]
        return {cell.inputs["corpus"].key: cell.key for cell in made}

    def _run(self, rule: str, size: float, *words: str, **environment: str) -> None:
        before = now() + _served()
        done = subprocess.run(
            [sys.executable, *words], env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ValueError(f"the sample's {rule} failed: {done.stderr.strip().splitlines()[-1:]}")
        self._timed.setdefault(rule, []).append((size, (now() + _served()).less(before)))


def _served() -> Spent:
    """Processor time of commands that a warm process ran and that have ended."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        total += times.children_user + times.children_system
    return Spent(0.0, total)


def _on_line(points: list[tuple[float, Spent]], size: float) -> Spent:
    """The line through the smallest and the largest of what was timed; through one, or where it falls, its level."""
    (less, few), (more, many) = min(points, key=lambda each: each[0]), max(points, key=lambda each: each[0])
    if more <= less:
        return few
    return few + many.less(few).times(max(0.0, size - less) / (more - less))
