"""Which jobs go first: what everything waits for, then the studies one after another, the cheapest first."""

from collections.abc import Callable, Iterable

from clipvip.config.registry import JOB_RULES
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.packs import Job


def priorities(grid: Grid, jobs: Iterable[Job], inputs: Callable[[Job], Iterable[Job]]) -> dict[str, int]:
    """The priority of each job, by its id; the higher goes first. `inputs`: the jobs that one waits for.

    Next is always the study that needs the fewest further jobs, so that the first table is there early.
    """
    jobs = list(jobs)
    needed = {name: _needed(study.cells(), jobs, inputs) for name, study in grid.studies.items()}
    found = {job.id: JOB_RULES[job.rule].priority for job in jobs}
    placed: set[str] = set()
    while needed:
        study = min(needed, key=lambda name: len(needed[name] - placed))
        for job in needed[study] - placed:
            found[job] += len(needed)
        placed |= needed.pop(study)
    return found


def _needed(cells: Iterable[Cell], jobs: list[Job], inputs: Callable[[Job], Iterable[Job]]) -> set[str]:
    """Ids of the jobs that make these cells, and of all that they wait for."""
    asked = {cell.name for cell in cells}
    waiting = [job for job in jobs if asked & {cell.name for cell in job.cells}]
    found: set[str] = set()
    while waiting:
        job = waiting.pop()
        if job.id not in found:
            found.add(job.id)
            waiting += inputs(job)
    return found
