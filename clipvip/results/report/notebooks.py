"""Notebooks of the studies: which study one shows, and running one from the command line."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipvip.results import study_files
from clipvip.results.finished import read_plan
from clipvip.runtime.files import write_whole

STUDY = "CLIPVIP_STUDY"  # environment: the study folder that a notebook shows
KERNEL = "python3"


def study(name: str) -> Path:
    """The study folder that a notebook shows: what CLIPVIP_STUDY names, else results/mini/studies/<name>, from the
    root of the checkout or from a folder below it. ValueError where there is none."""
    if given := os.environ.get(STUDY):
        return Path(given)
    below = Path("results") / "mini" / "studies" / name
    for root in (Path(), *(Path(*[".."] * up) for up in (1, 2, 3))):
        if (root / below / study_files.PLAN).is_file():
            return root / below
    raise ValueError(f"{below}: no such study here; run `snakemake ablate_{name}`, or name a study folder in {STUDY}")


def run(notebook: Path, folder: Path, out: Path) -> None:
    """Run a notebook on a study folder and write it with its outputs to `out`; nothing of the machine stands in it.

    Raises ValueError, with the notebook's own error, where a cell of it fails.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    read_plan(folder)  # before a kernel starts
    if not notebook.is_file():
        raise ValueError(f"{notebook}: no such notebook; analysis/ holds those of the studies")
    try:
        cells: Any = nbformat.read(notebook, as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError):
        raise ValueError(f"{notebook}: no notebook (JSON with cells); analysis/ holds those of the studies") from None
    with _manager() as manager:
        client = NotebookClient(cells, km=manager, kernel_name=KERNEL, timeout=None, record_timing=False)
        client.resources = {"metadata": {"path": str(Path.cwd())}}
        try:
            client.execute(cleanup_kc=True, env={**os.environ, STUDY: str(folder)})
        except CellExecutionError as error:
            raise ValueError(f"{notebook}: {error.ename}: {error.evalue}") from error
    write_whole(out, nbformat.writes(cells) + "\n")


@contextlib.contextmanager
def _manager() -> Iterator[Any]:
    """Of one kernel, which is spoken to over sockets of the user's own: others can listen to TCP."""
    from jupyter_client.manager import AsyncKernelManager

    if sys.platform == "win32":
        yield AsyncKernelManager(kernel_name=KERNEL)
        return
    with tempfile.TemporaryDirectory(prefix="clipvip-") as own:
        yield AsyncKernelManager(kernel_name=KERNEL, transport="ipc", ip=f"{own}/kernel")
