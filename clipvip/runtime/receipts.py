"""The receipt of a finished cell and the note of a failed one: a file that is empty, cut or of another form is none."""

import json
from pathlib import Path
from typing import Any

from clipvip.runtime import cell_files
from clipvip.runtime.files import write_whole

PARTIAL = "partial"  # entry of a receipt: results only, brought in from another laboratory
NEEDED = ("fingerprint",)


def read(folder: Path) -> dict[str, Any] | None:
    """The receipt in a cell's folder; None where there is no whole one."""
    found = read_json(folder / cell_files.RECEIPT)
    return found if found is not None and all(name in found for name in NEEDED) else None


def write(folder: Path, content: dict[str, Any]) -> None:
    """Put a receipt in place; the cell counts as finished from here on."""
    write_whole(folder / cell_files.RECEIPT, json.dumps(content, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where it is missing, empty, cut, or no object."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def failure(path: Path) -> str | None:
    """Why a cell failed, from its note in results/failed; None where there is none."""
    found = read_json(path)
    if found is not None and "reason" in found:
        return str(found["reason"])
    return f"its note {path} is damaged" if path.is_file() else None
