"""The SQLite stores beside the cells, MLflow's and Optuna's: whether they are whole, and what to do where not."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

from clipvip.pipeline import journal
from clipvip.results.tracking import moved
from clipvip.runtime.file_systems import Mount, mount_of, shared
from clipvip.runtime.stores import CREATED, JOURNAL, MLFLOW, OPTUNA

ASIDE = {f"{name}.damaged" for name in (MLFLOW, OPTUNA, JOURNAL)}
LOCKS = {f"{MLFLOW}.lock", "mlflow.lock", f"{JOURNAL}.lock"}
NAMES = {MLFLOW, OPTUNA, JOURNAL, CREATED, moved.ARTIFACTS} | ASIDE | LOCKS
Found = tuple[Path, str, str, str, Callable[[], object] | None]  # path, kind, what, fix, mend


def examine(root: Path) -> Iterator[Found]:
    """Stores that are gone, cut or point elsewhere, and runs that are there twice."""
    mlflow, optuna = root / MLFLOW, root / OPTUNA
    if (root / CREATED).exists() and not mlflow.is_file():
        fix = "its marker is removed; the workflow fills a new one from the cells"
        yield mlflow, "lost store", "MLflow's store is gone", fix, partial(forget, root)
    for path in (mlflow, optuna):
        why = broken(path) if path.is_file() else None
        if why is not None:
            fix = f"moved to {path.name}.damaged; " + (
                "the workflow fills a new one from the cells" if path == mlflow else "its sweeps begin anew"
            )
            yield path, "damaged store", why, fix, partial(_move, root, path)
    yield from _of_journal(root, root / JOURNAL)
    if mlflow.is_file() and broken(mlflow) is None:
        yield from _of_mlflow(mlflow)


def warning(uri: str, mounted: Iterable[Mount]) -> str:
    """One line where MLflow's store is a file that several machines may write to; empty elsewhere."""
    if not uri.startswith("sqlite:///"):
        return ""
    file = Path(uri.removeprefix("sqlite:///")).absolute()
    on = mount_of(file.resolve(), mounted)
    if on is None or not shared(on):
        return ""
    return (
        f"{file}: MLflow's store is an SQLite file on {on.kind} ({on.place}), which is not safe where several machines "
        "write to it; on one machine start `mlflow server --backend-store-uri sqlite:////a/local/disk/mlflow.db` and "
        "set `tracking: http://that-machine:5000` in the experiment (docs/clusters.md)"
    )


def broken(path: Path) -> str | None:
    """Why a file is no whole SQLite database; None where it is one."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=60)) as found:
            said = found.execute("PRAGMA quick_check").fetchone()[0]
            empty = not found.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    return "it is empty" if empty else None if said == "ok" else str(said)


def forget(root: Path) -> None:
    """Take away what says that the MLflow store is filled."""
    for marker in (root / CREATED, *root.glob("*/studies/*/tracked")):
        marker.unlink(missing_ok=True)


def _move(root: Path, path: Path) -> None:
    path.replace(path.with_name(f"{path.name}.damaged"))
    for left in (f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        path.with_name(left).unlink(missing_ok=True)
    if path.name == MLFLOW:
        forget(root)


def _of_journal(root: Path, path: Path) -> Iterator[Found]:
    found = journal.broken(path) if path.is_file() else None
    if found is None:
        return
    at, why = found
    if journal.is_cut(path, at):
        fix = "cut off; what it said is tried again"
        yield path, "torn file", why, fix, partial(journal.cut_off, path, at)
    else:
        fix = f"moved to {path.name}.damaged; its sweeps begin anew"
        yield path, "damaged store", why, fix, partial(_move, root, path)


def _of_mlflow(path: Path) -> Iterator[Found]:
    here = path.resolve().parent / moved.ARTIFACTS
    with contextlib.closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=60)) as found:
        recorded = moved.recorded(found)
        doubles = found.execute(
            "SELECT r.experiment_id, t.value, count(*) FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid "
            "WHERE t.key = 'key' AND r.lifecycle_stage = 'active' GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
    if recorded is not None and recorded.name == moved.ARTIFACTS and recorded != here:
        fix = "its paths are changed to where it lies"
        yield path, "absolute path", f"points to {recorded}", fix, partial(moved.settle, path)
    for _, key, count in doubles:
        yield path, "doubled run", f"{count} runs of {_what(key)}", "the next `clipvip track` keeps one", None


def _what(key: str) -> str:
    """What a run is of, by its key: `row:mini:main:full:0`, `study:mini:main`, or a cell's own."""
    kind, _, rest = key.partition(":")
    return f"{kind} {rest}" if rest else f"cell {key}"


def _quoted(path: Path) -> str:
    return quote(str(path.resolve()))
