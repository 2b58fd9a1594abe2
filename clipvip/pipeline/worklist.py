"""The list of a workflow's cells and jobs with their names, written at its start: what progress.py reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvip.config.base import digest
from clipvip.pipeline.costs import galleries, kind
from clipvip.pipeline.store import state
from clipvip.results import study_files
from clipvip.runtime import receipts
from clipvip.runtime.files import write_whole

if TYPE_CHECKING:
    from clipvip.pipeline.jobs import Jobs


def place(jobs: "Jobs") -> Path:
    """Where the list lies: results/<experiment>/jobs.json."""
    return jobs.root / jobs.grid.experiment.name / study_files.JOBS


def _light(jobs: "Jobs") -> Iterator[tuple[str, Path]]:
    """The jobs that make no cell, each by its rule, with a file that it makes."""
    for study in jobs.grid.studies:
        yield "notebook", jobs.study_folder(study) / study_files.FIGURE
        yield "track", jobs.study_folder(study) / study_files.TRACKED
    yield "report", jobs.root / jobs.grid.experiment.name / study_files.REPORT


def write(jobs: "Jobs", at_once: int | None) -> None:
    """Write the list where it changed. `at_once` jobs may run side by side; None: as many as it said before."""
    path, names = place(jobs), jobs.names
    if at_once is None:
        at_once = int((receipts.read_json(path) or {}).get("at_once") or 1)
    listed: dict[str, dict[str, Any]] = {}
    cells: dict[str, dict[str, Any]] = {}
    for job in jobs.by_id.values():
        needs = [Path(marker).name for marker in jobs.needs(job)]
        title = jobs.title(job)
        listed[job.id] = {"title": title, "brief": names.brief(job.cells), "needs": needs}
        done = Path(jobs.marker(job)).exists()
        for cell in job.cells if job.shard is None else ():
            cells[cell.name] = {
                "title": names.of(cell),
                "kind": digest(kind(cell)),
                "galleries": galleries(cell),
                "made": done or state(jobs.root, cell) == "fresh",
                "job": job.id,
            }
    light = [(rule, str(output)) for rule, output in _light(jobs)]
    data = {"experiment": jobs.grid.experiment.name, "at_once": at_once, "jobs": listed, "cells": cells, "light": light}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)
