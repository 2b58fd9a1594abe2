"""Everything that a run is, saved so that a killed run goes on as if it had not been.

Files are written beside and renamed into place; each has a checksum, and of the last two the newest
whole one is used. Only tensors and plain values are loaded.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import torch


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write checkpoint `step` and drop all but the two newest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.pt"
    beside = path.with_suffix(".tmp")
    with beside.open("wb") as handle:
        torch.save(state, handle)
        handle.flush()
        os.fsync(handle.fileno())
    digest = hashlib.sha256(beside.read_bytes()).hexdigest()
    path.with_suffix(".sha256").write_text(digest)
    beside.rename(path)
    for old in sorted(folder.glob("step-*.pt"))[:-2]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)


def load(folder: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint, or None. A torn one is passed over with a line on the terminal."""
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        recorded = path.with_suffix(".sha256")
        if recorded.exists() and recorded.read_text() == hashlib.sha256(path.read_bytes()).hexdigest():
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            return state
        print(f"{path}: checksum mismatch, falling back to the previous checkpoint")
    return None
