"""Everything that a run is, saved so that a killed run goes on as if it had not been.

Each checkpoint has a checksum, written before it, and of the last two the newest whole one is used. Only tensors and
plain values are loaded.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch

from clipvip.runtime.files import write_whole, written


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write checkpoint `step` and drop all but the two newest."""
    for left in folder.glob(".*-step-*"):
        left.unlink()  # of a killed run, as large as a checkpoint
    path = folder / f"step-{step:09d}.pt"
    with written(path) as beside:
        with beside.open("wb") as handle:  # given a path, torch would write its name into the file
            torch.save(state, handle)
        write_whole(path.with_suffix(".sha256"), hashlib.sha256(beside.read_bytes()).hexdigest())
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
