"""Where cells lie under a results root, and what state they are in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipvip.config.base import canonical, digest
from clipvip.pipeline.cell import Cell, unkeyed
from clipvip.runtime import cell_content, cell_files, receipts
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
    """The receipt of a finished cell; None where there is no whole one."""
    return receipts.read(folder(root, name))


def state(root: Path, cell: Cell) -> str:
    """`fresh`, `missing`, `failed: <why>`, `damaged: <file>` or `stale: <why>`."""
    found = receipt(root, cell.name)
    if found is None:
        failed = receipts.failure(failure_path(root, cell.name))
        return "missing" if failed is None else f"failed: {failed}"
    if receipts.PARTIAL in found:
        return "stale: brought in with its results only"
    if found.get("lineage") != cell.lineage:
        own = found["fingerprint"] != cell.fingerprint
        return "stale: the code of its stage changed" if own else "stale: something it is made from changed"
    changed = changed_inputs(root, found)
    if changed:
        return f"stale: {changed[0]} was made anew since, with other content"
    damage = cell_content.damage(folder(root, cell.name))
    return "fresh" if damage is None else f"damaged: {damage}"


def changed_inputs(root: Path, found: dict[str, Any]) -> list[str]:
    """Inputs of a finished cell that hold something else now than when it read them."""
    made_of: dict[str, str | None] = found.get("read") or {}  # none in a receipt from before contents were recorded
    now = contents(root, found["inputs"]) or {} if made_of else {}
    return [found["inputs"][role] for role in made_of if role in now and now[role] != made_of[role]]


def set_aside(root: Path, name: str, why: str) -> None:
    """Make a damaged cell a failed one, which the next run makes anew."""
    write_whole(failure_path(root, name), json.dumps({"reason": f"damaged: {why}"}) + "\n")
    (folder(root, name) / cell_files.RECEIPT).unlink(missing_ok=True)


def failure_path(root: Path, name: str) -> Path:
    """Where the reason of a failed cell is kept until it succeeds."""
    return root / "failed" / f"{name.replace('/', '-')}.json"


def lock_path(root: Path, name: str) -> Path:
    """The lock of the cell `<stage>/<key>`: whoever makes it or brings it holds this."""
    return root / "locks" / name.replace("/", "-")


def contents(root: Path, inputs: Mapping[str, str]) -> dict[str, str | None] | None:
    """Role -> what a finished input holds, of those that are part of a key; None while one is not finished."""
    found = {role: receipt(root, name) for role, name in inputs.items() if not unkeyed(role)}
    made = {role: each.get("content") for role, each in found.items() if each is not None}
    return made if len(made) == len(found) else None


def work_folder(root: Path, name: str, lineage: str, made_of: Mapping[str, str | None]) -> Path:
    """Where a cell keeps what it needs to resume; what other code or other content of inputs left is never resumed."""
    return root / "work" / f"{name.split('/')[1]}-{digest([lineage, dict(made_of)])}"
