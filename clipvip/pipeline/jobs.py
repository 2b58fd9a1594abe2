"""Jobs: which cells share a process, what each job waits for, and which of them are done.

A workflow engine needs files to compare. For each job there is a marker file, named by the job's cells and
by the code that makes them. Markers are derived from the receipts at the start of each run, so that
they hold in any clone that is pointed at the results.
"""

import errno
import json
import os
import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from clipvip.config.base import digest
from clipvip.config.registry import JOB_RULES
from clipvip.config.resources import asks
from clipvip.pipeline import packs, worklist
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.launch import launched
from clipvip.pipeline.named import Names
from clipvip.pipeline.order import priorities
from clipvip.pipeline.packs import Job
from clipvip.pipeline.plans import plan_of
from clipvip.pipeline.store import contents, folder, spec_path, state, work_folder, write_spec
from clipvip.pipeline.stores import forget
from clipvip.pipeline.study import Study
from clipvip.results import noise, registered, study_files
from clipvip.runtime import cell_files
from clipvip.runtime.files import write_whole
from clipvip.runtime.options import RunOptions, words
from clipvip.runtime.stores import MLFLOW

READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class Jobs:
    """The jobs of a grid under a results root."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.root = Path(grid.experiment.results)
        study = grid.experiment.noise
        self.noise_content = noise.content(Path(study)) if study else None
        self.by_id: dict[str, Job] = {}
        self._of_cell: dict[str, Job] = {}
        for job in packs.jobs_of(grid):
            self.by_id[job.id] = job
            if job.shard is None:
                self._of_cell.update({cell.name: job for cell in job.cells})

    def marker(self, job: Job) -> str:
        """The file that says the job is done."""
        return str(self.root / "jobs" / job.rule / job.id)

    def marker_of(self, cell: Cell) -> str:
        """The marker of the job that makes a cell; empty where no study asks for it."""
        return self.marker(self._of_cell[cell.name]) if cell.name in self._of_cell else ""

    def needs(self, job: Job) -> list[str]:
        """Markers of the jobs that make the inputs."""
        return [self.marker(other) for other in self._inputs(job)]

    def _inputs(self, job: Job) -> list[Job]:
        inputs = [other for cell in job.cells for other in cell.inputs.values()]
        others = {self._of_cell[cell.name].id for cell in inputs} - {job.id}
        found = [self.by_id[other] for other in sorted(others)]
        if job.rule == "captions":
            found += [other for other in self.by_id.values() if other.shard and other.cells == job.cells]
        return found

    def priority(self, job: Job) -> int:
        """Jobs of a higher one go first."""
        return self._priorities[job.id]

    @cached_property
    def _priorities(self) -> dict[str, int]:
        return priorities(self.grid, self.by_id.values(), self._inputs)

    def specs(self, job: Job) -> list[str]:
        """Spec files of the job's cells."""
        return [str(spec_path(self.root, cell)) for cell in job.cells]

    def command(self, job: Job, *, requeue: bool = False) -> list[str]:
        """The words after `clipvip` that launch what makes the job's cells; `requeue`: in a job of a scheduler."""
        asked, rule = asks(self.grid.experiment.run, job.rule), JOB_RULES[job.rule]
        return launched(self.words(job), asked, shared=rule.shared, requeue=requeue)

    def words(self, job: Job) -> list[str]:
        """The words after `clipvip` that make the job's cells in one process."""
        listed = ["--listed", str(worklist.place(self))]
        if job.shard:
            shard, of = job.shard
            return ["caption-shard", *self.specs(job), "--shard", str(shard), "--of", str(of), *listed, *self._how(job)]
        return ["run", *self.specs(job), *listed, *self._how(job), *self._live(job)]

    @cached_property
    def names(self) -> Names:
        """What its cells are called for people."""
        return Names(self.grid)

    def title(self, job: Job) -> str:
        """What a job is called for people: stages, variant, replicate, sets."""
        return self.names.of_job(job.cells, job.shard)

    def minutes(self, job: Job) -> int:
        """The time to ask for: that of its rule for each cell that it makes, and no more than an attempt's."""
        asked = asks(self.grid.experiment.run, job.rule)
        return min(asked.minutes * len(job.cells), asked.attempt_minutes or sys.maxsize)

    def _how(self, job: Job) -> list[str]:
        run = self.grid.experiment.run
        if not JOB_RULES[job.rule].accelerator:
            return words(RunOptions(verify=run.verify, object_store=run.object_store))
        if run.workers and run.loader_mb is None:  # a quarter of what the job may have
            asked = asks(run, job.rule)
            run = run.model_copy(update={"loader_mb": max(1, asked.memory_mb // (4 * max(1, asked.gpus)))})
        return words(run)

    def _live(self, job: Job) -> list[str]:
        if not self.live or not JOB_RULES[job.rule].accelerator:
            return []
        return ["--live", self.tracking, "--live-experiment", self.grid.experiment.name]

    @cached_property
    def tracking(self) -> str:
        """The MLflow store of the experiment: a URI."""
        return self.grid.experiment.tracking or f"sqlite:///{self.root.absolute()}/{MLFLOW}"

    @property
    def live(self) -> bool:
        """Whether training is shown at the store as it goes."""
        asked = self.grid.experiment.run.live
        return self.grid.experiment.tracking is not None if asked is None else asked

    def study_markers(self, study: Study) -> list[str]:
        """What a study's table waits for."""
        return sorted({self.marker(self._of_cell[cell.name]) for cell in study.cells()})

    def table_marker(self, study: Study) -> str:
        """The file that says a study's tables are made, from these cells by this code."""
        made_from = digest([self.plan(study), self._below_root(self.study_markers(study))])
        return str(self.root / "jobs" / "table" / f"{self.grid.experiment.name}-{study.name}-{made_from}")

    @property
    def tables_marker(self) -> str:
        """The file that says the tables of all studies are made together."""
        made_from = digest(self._below_root(self.table_marker(study) for study in self.grid.studies.values()))
        return str(self.root / "jobs" / "tables" / f"{self.grid.experiment.name}-{made_from}")

    def _below_root(self, markers: Iterable[str]) -> list[str]:
        """As they are named wherever the results lie."""
        return [str(Path(marker).relative_to(self.root)) for marker in markers]

    def plan(self, study: Study) -> dict[str, object]:
        """What a study's table is made from, as plain data."""
        return plan_of(self.grid, study, self.noise_content)

    def study_folder(self, name: str) -> Path:
        """Where a study's table and figure lie."""
        return self.root / self.grid.experiment.name / "studies" / name

    def prepare(self, at_once: int | None = None) -> None:
        """Write specs, study plans and the list of the jobs (`at_once` of which may run side by side) where they
        changed; make markers agree with the receipts and the store.

        Where the results may only be read a line says so, and what is there can still be listed.
        """
        try:
            self._prepare()
            worklist.write(self, at_once)
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            print(f"{self.root}: {error.strerror}; what is there is shown, nothing can be made", file=sys.stderr)

    def _prepare(self) -> None:
        self._sync_store()
        for cell in self.grid.cells.values():
            write_spec(self.root, cell)
        for job in self.by_id.values():
            self._sync(job)
        for name, study in self.grid.studies.items():
            path = self.study_folder(name) / study_files.PLAN
            text = json.dumps(self.plan(study), indent=1) + "\n"
            if not path.exists() or path.read_text() != text:
                write_whole(path, text)
            registered.record({**self.plan(study), "results": str(self.root)}, path.parent)
            made = all(Path(marker).exists() for marker in self.study_markers(study))
            if not made or not path.with_name(study_files.TABLE).exists():
                Path(self.table_marker(study)).unlink(missing_ok=True)
                Path(self.tables_marker).unlink(missing_ok=True)

    def _sync_store(self) -> None:
        """A store that is gone is filled again from the cells."""
        store = self.tracking.removeprefix("sqlite:///")
        if store != self.tracking and not Path(store).is_file():
            forget(self.root)

    def _sync(self, job: Job) -> None:
        marker = Path(self.marker(job))
        fresh = all(state(self.root, cell) == "fresh" for cell in job.cells)
        if job.shard and not fresh:
            fresh = shard_file(self.root, job.cells[0], *job.shard).exists()
            newest = marker.stat().st_mtime if marker.exists() else None
        else:
            receipts = [folder(self.root, cell.name) / cell_files.RECEIPT for cell in job.cells]
            newest = max(path.stat().st_mtime for path in receipts) if fresh else None
        if not fresh:
            marker.unlink(missing_ok=True)
        elif not marker.exists():
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
            if newest is not None:
                os.utime(marker, (newest, newest))


def shard_file(root: Path, captions: Cell, shard: int, num_shards: int) -> Path:
    """Where a captioning shard leaves its part for the cell that merges them."""
    made_of = contents(root, {role: cell.name for role, cell in captions.inputs.items()})
    work = work_folder(root, captions.name, captions.lineage, made_of or {})  # without inputs there is no such folder
    return work / f"shard-{shard}-of-{num_shards}.parquet"
