"""An MLflow store that was copied or moved with its results: MLflow keeps absolute paths, and these are put right.

Without this a copy would read, and write, the files of the original.
"""

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote, unquote

ARTIFACTS = "mlartifacts"  # folder beside the store, where the workflow keeps the files of runs
# Where MLflow 3 keeps the places of files.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def settle(store: Path) -> int:
    """Point every path of a SQLite store that lay beside its old place to where it lies now; how many there were.

    Nothing is done for a store whose files lie elsewhere. ValueError: the file is no store of MLflow.
    """
    here = store.resolve().parent / ARTIFACTS
    if not store.is_file() or not here.is_dir():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(store, timeout=60)) as found, found:
            before = recorded(found)
            if before is None or before == here or before.name != ARTIFACTS:
                return 0
            return sum(_replace(found, *column, before, here) for column in COLUMNS) + _tag(found, here)
    except sqlite3.DatabaseError as error:
        raise ValueError(
            f"{store}: not a whole MLflow store ({error}); `clipvip doctor {store.parent} --fix` moves it, and the "
            "workflow fills a new one from the cells"
        ) from None


def recorded(found: sqlite3.Connection) -> Path | None:
    """Where a store keeps the files of its runs, as written when it was made."""
    rows = found.execute("SELECT value FROM experiment_tags WHERE experiment_id = 0 AND key = 'artifacts'").fetchall()
    return Path(rows[0][0]) if rows else None


def _tag(found: sqlite3.Connection, here: Path) -> int:
    change = "UPDATE experiment_tags SET value = ? WHERE experiment_id = 0 AND key = 'artifacts'"
    return found.execute(change, (str(here),)).rowcount


def _replace(found: sqlite3.Connection, table: str, column: str, before: Path, here: Path) -> int:
    """Change the beginning of a column's paths; they are plain, or URIs of files with their signs escaped."""
    if column not in {row[1] for row in found.execute(f"PRAGMA table_info({table})")}:
        return 0
    changed = 0
    rows = found.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    for rowid, place in rows:
        scheme, path = ("file://", place.removeprefix("file://")) if place.startswith("file://") else ("", place)
        path = unquote(path) if scheme else path
        if path == str(before) or path.startswith(f"{before}/"):
            now = f"{here}{path[len(str(before)) :]}"
            value = scheme + (quote(now) if scheme else now)
            changed += found.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid)).rowcount
    return changed
