"""`clipvip doctor`: what is wrong in a results folder, and what can be mended without losing anything that is whole.

To mend means to take away what is broken, so that the workflow makes it anew; whatever nobody knows is named and left.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from clipvip.config.registry import STAGES
from clipvip.pipeline import store, stores
from clipvip.pipeline.task import read_spec
from clipvip.results import study_files
from clipvip.runtime import cell_content, cell_files, receipts, stale_locks
from clipvip.runtime.files import held

OLD = 3600.0  # seconds: a file being written is younger
OWN = {"cells", "specs", "failed", "work", "locks", "logs", "jobs"}  # folders of a results root
HARMLESS = {"unknown file", "unrecorded", "stale"}  # what the workflow deals with, or nobody has to
NOTES = {"specs": "specs", "failed": "notes of a failure"}
WRITTEN = (  # JSON of experiments and studies: where, what it is, and who writes it anew
    (f"*/{study_files.JOBS}", "the list of a workflow", "the workflow writes it anew"),
    (f"*/studies/*/{study_files.PLAN}", "a plan", "the workflow writes it anew"),
    (f"*/studies/*/{study_files.LINKS}", "links to MLflow's page", "`clipvip track` writes them anew"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: str
    path: Path
    what: str
    fix: str  # what mends it, in words
    mend: Callable[[], object] | None = None  # None: a person has to


def examine(root: Path, *, verify: bool = True) -> list[Finding]:
    """All that is wrong below a results root; with `verify` every file of every cell is read."""
    if not (root / "cells").is_dir() and not (root / "specs").is_dir():
        raise ValueError(
            f"{root}: no results folder (it would hold cells/ and specs/); give the `results` of an experiment"
        )
    found = [*_notes(root), *_cells(root, verify=verify), *_unfinished(root), *_work(root), *_half_written(root)]
    return [*found, *_locks(root), *_studies(root), *_stores(root), *_unknown(root)]


def mend(found: Iterable[Finding]) -> int:
    """Mend what can be; how many."""
    mended = [each.mend() for each in found if each.mend is not None]
    return len(mended)


def listing(found: list[Finding], root: Path) -> str:
    """A line a finding, with its fix."""
    lines = [f"{each.kind}: {each.path.relative_to(root)}: {each.what}; {each.fix}" for each in found]
    by_hand = sum(each.mend is None for each in found)
    total = f"{root}: {len(found)} findings, {len(found) - by_hand} of which --fix mends" if found else f"{root}: sound"
    return "\n".join([*lines, total])


def _notes(root: Path) -> Iterator[Finding]:
    for kind, about in NOTES.items():
        for path in sorted((root / kind).glob("*.json")):
            if receipts.read_json(path) is None:
                yield Finding("torn file", path, f"one of the {about}, empty or cut", "removed", path.unlink)


def _cells(root: Path, *, verify: bool) -> Iterator[Finding]:
    """Torn receipts, damaged files, inputs that changed since, and files that the cell did not make."""
    for folder in tqdm(_cell_folders(root), desc="cells", unit="cell", disable=None):
        name = f"{folder.parent.name}/{folder.name}"
        receipt = receipts.read(folder)
        if receipt is None:
            if (folder / cell_files.RECEIPT).exists():
                yield _torn(folder / cell_files.RECEIPT)
            else:
                fix = "removed; the workflow makes it anew"
                yield Finding("no receipt", folder, "a cell that does not count as finished", fix, _remover(folder))
            continue
        if receipts.PARTIAL in receipt:
            continue
        damage = cell_content.damage(folder, verify=verify)
        if damage is not None:
            yield _damaged(root, name, folder, damage)
        if "content" not in receipt:
            fix = "nothing to do; recorded when it is made anew"
            yield Finding("unrecorded", folder, "made before contents were recorded, cannot be checked", fix)
        for other in store.changed_inputs(root, receipt):
            fix = "the workflow makes it anew"
            yield Finding("stale", folder, f"{other} has other content than when it was read", fix)
        for path in sorted(cell_content.unlisted(folder)):
            yield Finding("unknown file", path, "the cell did not make it", "left; remove it if it is not yours")


def _torn(path: Path) -> Finding:
    what, fix = "the receipt is empty or cut", "the cell is removed; the workflow makes it anew"
    return Finding("torn file", path, what, fix, _remover(path.parent))


def _damaged(root: Path, name: str, folder: Path, damage: str) -> Finding:
    def remove() -> None:
        store.set_aside(root, name, damage)  # first: a receipt may not outlive its files
        shutil.rmtree(folder)

    return Finding("damaged", folder, damage.removeprefix(f"{folder}/"), "removed; the workflow makes it anew", remove)


def _cell_folders(root: Path) -> list[Path]:
    found = (path for stage in STAGES for path in (root / "cells" / stage).glob("*"))
    return sorted(path for path in found if path.is_dir() and not path.name.startswith("."))


def _unfinished(root: Path) -> Iterator[Finding]:
    """Folders of cells whose making was cut short."""
    for stage in STAGES:
        for path in sorted((root / "cells" / stage).glob(".*")):
            key = path.name.removeprefix(".").split("-")[0]
            if not held(root / "locks" / f"{stage}-{key}"):
                yield Finding("orphan", path, "left by a process that was killed", "removed", _remover(path))


def _work(root: Path) -> Iterator[Finding]:
    """State for resuming that no cell would resume from."""
    wanted = set()
    for path in (root / "specs").glob("*.json"):
        try:
            task = read_spec(path)
        except ValueError:  # an input is not made, so nothing can be said: all that has this key is kept
            wanted |= {each.name for each in (root / "work").glob(f"{path.stem.split('-')[-1]}-*")}
            continue
        if not task.made():
            wanted.add(task.work.name)
    for path in sorted((root / "work").glob("*")):
        if path.name not in wanted:
            yield Finding("orphan", path, "state of a run that nothing resumes", "removed", _remover(path))


def _half_written(root: Path) -> Iterator[Finding]:
    """Files beside others that a killed process has not put into their place."""
    for path in sorted(root.rglob(".[0-9]*-[0-9]*-*")):
        if path.is_file() and time.time() - path.stat().st_mtime > OLD:
            yield Finding("orphan", path, "half written by a process that was killed", "removed", path.unlink)


def _locks(root: Path) -> Iterator[Finding]:
    for path, what in stale_locks.stale(root):
        yield Finding("stale lock", path, what, "removed", path.unlink)


def _studies(root: Path) -> Iterator[Finding]:
    for pattern, about, again in WRITTEN:
        for path in sorted(root.glob(pattern)):
            if receipts.read_json(path) is None:
                yield Finding("torn file", path, f"{about}, empty or cut", f"removed; {again}", path.unlink)


def _stores(root: Path) -> Iterator[Finding]:
    for path, kind, what, fix, action in stores.examine(root):
        yield Finding(kind, path, what, fix, action)


def _unknown(root: Path) -> Iterator[Finding]:
    """What does not belong to a results root: neither its own, nor an experiment's folder, nor a store."""
    for path in sorted(root.iterdir()):
        experiment = path.is_dir() and ((path / "studies").is_dir() or (path / "sweeps").is_dir())
        own = path.name.removesuffix(stale_locks.SOFT)
        if own not in OWN | stores.NAMES and not experiment and not path.name.startswith("."):
            yield Finding("unknown file", path, "no part of the results", "left; remove it if it is not yours")


def _remover(path: Path) -> Callable[[], object]:
    return lambda: shutil.rmtree(path) if path.is_dir() else path.unlink()


def facts(found: list[Finding]) -> str:
    """The findings as JSON."""
    rows = [{"kind": each.kind, "path": str(each.path), "what": each.what, "fix": each.fix} for each in found]
    return json.dumps(rows, indent=1)
