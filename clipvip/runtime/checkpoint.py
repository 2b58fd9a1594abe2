"""Everything that a run is, saved so that a killed run goes on as if it had not been.

Each checkpoint has a checksum, written before it, and of the last two the newest whole one is used. Weights that are
only kept for the end lie in files of their own, whose checksums stand in the checkpoint. Only tensors and plain values
are loaded.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipvip.runtime.files import write_whole, written


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write checkpoint `step` and drop all but the two newest. `state["kept"]` may name weights (name -> SHA-256)
    without which it is of no use."""
    for left in folder.glob(".*-step-*"):
        left.unlink()  # of a killed run, as large as a checkpoint
    path = folder / f"step-{step:09d}.pt"
    with written(path) as beside:
        _write(beside, state)
        write_whole(path.with_suffix(".sha256"), _digest(beside))
    for old in sorted(folder.glob("step-*.pt"))[:-2]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)


def load(folder: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint, or None. A torn one is passed over with a line on the terminal."""
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        recorded = path.with_suffix(".sha256")
        if recorded.exists() and recorded.read_text() == _digest(path):
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            lost = [name for name, sha256 in state.get("kept", {}).items() if not _is(folder / name, sha256)]
            if not lost:
                return state
            path = folder / lost[0]
        print(f"{path}: checksum mismatch, falling back to the previous checkpoint")
    return None


def keep(folder: Path, step: int, weights: dict[str, Tensor]) -> dict[str, str]:
    """Write the weights of a step, to be had again at the end; name and SHA-256 of their file. Older ones go, but for
    what a checkpoint may need."""
    for left in folder.glob(".*-weights-*"):
        left.unlink()  # of a killed run
    path = folder / f"weights-{step:09d}.pt"
    with written(path) as beside:
        _write(beside, weights)
        digest = _digest(beside)
    there = sorted(int(each.stem.removeprefix("weights-")) for each in folder.glob("weights-*.pt"))
    saved = [int(each.stem.removeprefix("step-")) for each in folder.glob("step-*.pt")]
    needed = {step, *(max((old for old in there if old <= each), default=step) for each in saved)}
    for old in set(there) - needed:
        (folder / f"weights-{old:09d}.pt").unlink()
    return {path.name: digest}


def kept(folder: Path, found: dict[str, str]) -> dict[str, Tensor]:
    """The weights that `keep` wrote, mapped from their file. ValueError where it is not what was written."""
    ((name, sha256),) = found.items()
    if not _is(folder / name, sha256):
        raise ValueError(f"{folder / name}: gone or damaged; remove {folder} and run the same command again")
    weights: dict[str, Tensor] = torch.load(folder / name, weights_only=True, map_location="cpu", mmap=True)
    return weights


def _write(path: Path, content: Any) -> None:
    with path.open("wb") as handle:  # given a path, torch would write its name into the file
        torch.save(content, handle)


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and _digest(path) == sha256


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
