"""The finished cells of an experiment, carried to an object store and back by hand (`clipvip push`, `clipvip pull`)."""

from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.object_store import ObjectStore
from clipvip.pipeline.store import folder, lock_path, state
from clipvip.runtime import cell_files
from clipvip.runtime.files import locked


def push(jobs: Jobs, url: str, *, again: bool = False) -> list[str]:
    """Copy the fresh cells of an experiment to where they are not yet, or `again`; their names.

    ValueError: no such store.
    """
    store, pushed = ObjectStore(url), []
    for cell in jobs.grid.cells.values():
        whole = state(jobs.root, cell) == "fresh" and (folder(jobs.root, cell.name) / cell_files.FILES).is_file()
        if whole and store.give(jobs.root, cell.name, again=again):
            pushed.append(cell.name)
    return pushed


def pull(jobs: Jobs, url: str) -> list[str]:
    """Bring the cells of an experiment that are there and not fresh here; their names.

    ValueError: no such store, or what came is not what was pushed.
    """
    store, pulled = ObjectStore(url), []
    for cell in jobs.grid.cells.values():  # inputs before what is made from them
        if state(jobs.root, cell) == "fresh":
            continue
        inputs = {role: other.name for role, other in cell.inputs.items()}
        with locked(lock_path(jobs.root, cell.name)):
            fresh = state(jobs.root, cell) == "fresh"
            if not fresh and store.take(jobs.root, cell.name, cell.lineage, inputs):
                pulled.append(cell.name)
    return pulled
