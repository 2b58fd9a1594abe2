"""Where cells lie under a results root, and what state they are in."""

import json
from pathlib import Path
from typing import Any

from clipvip.config.base import canonical
from clipvip.pipeline.cell import Cell
from clipvip.runtime import cell_files
from clipvip.runtime.files import write_whole


def folder(root: Path, name: str) -> Path:
    """Where the cell `<stage>/<key>` lies under the results root."""
    return root / "cells" / name


def spec_path(root: Path, cell: Cell) -> Path:
    """The cell's spec file."""
    return root / "specs" / f"{cell.stage}-{cell.key}.json"


def write_spec(root: Path, cell: Cell) -> Path:
    """Write the spec unless it is there with the same content."""
    path = spec_path(root, cell)
    text = canonical(cell.spec()) + "\n"
    if not path.exists() or path.read_text() != text:
        write_whole(path, text)
    return path


def receipt(root: Path, name: str) -> dict[str, Any] | None:
    """The receipt of a finished cell, or None."""
    path = folder(root, name) / cell_files.RECEIPT
    return json.loads(path.read_text()) if path.exists() else None


def rewrite_receipt(root: Path, name: str, content: dict[str, Any]) -> None:
    """Replace the receipt of a finished cell."""
    write_whole(folder(root, name) / cell_files.RECEIPT, json.dumps(content, indent=1) + "\n")


def state(root: Path, cell: Cell) -> str:
    """`fresh`, `missing`, `failed: <why>` or `stale: <why>`."""
    found = receipt(root, cell.name)
    if found is None:
        failed = failure_path(root, cell.name)
        return f"failed: {json.loads(failed.read_text())['reason']}" if failed.exists() else "missing"
    if found["lineage"] == cell.lineage:
        return "fresh"
    own = found["fingerprint"] != cell.fingerprint
    return "stale: the code of its stage changed" if own else "stale: something it is made from changed"


def failure_path(root: Path, name: str) -> Path:
    """Where the reason of a failed cell is kept until it succeeds."""
    return root / "failed" / f"{name.replace('/', '-')}.json"


def work_folder(root: Path, name: str, lineage: str) -> Path:
    """Where a cell keeps what it needs to resume; what other code or other inputs left is never resumed."""
    return root / "work" / f"{name.split('/')[1]}-{lineage}"
