"""The embeddings of a folder on disk: one safetensors file for each model, whole or not there, checked when read.

Tensors: `stretches` [stretches, dim] fp32, `frames` [stretches, frames, dim] fp16, `times` [stretches, frames] seconds.
The header names the files that they are of, with size and time of change, and the sha256 of all this.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float16, Float32
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clipvip.runtime.files import written

BESIDE = ".clipvip"  # in the folder of videos; hidden, so that it is not searched
TENSORS = ("stretches", "frames", "times")


class Damaged(ValueError):
    """A file of embeddings that does not hold what was written."""


@dataclass(frozen=True)
class File:
    """A video as it was when it was embedded; `reason` says why it could not be, then it has no stretches."""

    path: str
    size: int
    changed: int  # nanoseconds
    stretches: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Contents:
    """Files in order, and the rows of all their stretches in the same order."""

    files: tuple[File, ...]
    stretches: Float32[Tensor, "stretches dim"]
    frames: Float16[Tensor, "stretches frames dim"]
    times: Float[Tensor, "stretches frames"]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(getattr(self, name).nbytes for name in TENSORS)

    def owners(self) -> Tensor:
        """For each stretch the index of its file."""
        return torch.repeat_interleave(torch.tensor([file.stretches for file in self.files], dtype=torch.long))

    def only(self, kept: set[str]) -> "Contents":
        """The files whose path is in `kept`."""
        if kept.issuperset(file.path for file in self.files):
            return self
        stays = torch.tensor([file.path in kept for file in self.files], dtype=torch.bool)[self.owners()]
        tensors = [getattr(self, name)[stays] for name in TENSORS]
        return Contents(tuple(file for file in self.files if file.path in kept), *tensors)

    def plus(self, files: Sequence[File], embedded: Sequence[tuple[Tensor, Tensor, Tensor]]) -> "Contents":
        """With more files, and the embeddings of those that could be read."""
        if not files:
            return self
        old = tuple(getattr(self, name) for name in TENSORS)
        whole = old if len(self.stretches) or not embedded else tuple(each[:0] for each in embedded[0])
        return Contents((*self.files, *files), *(torch.cat(rows) for rows in zip(whole, *embedded, strict=True)))


def nothing() -> Contents:
    """No file."""
    return Contents((), torch.empty(0, 0), torch.empty(0, 0, 0, dtype=torch.float16), torch.empty(0, 0))


def write(contents: Contents, path: Path) -> None:
    """Put the whole file in its place."""
    tensors = {name: getattr(contents, name).contiguous() for name in TENSORS}
    files = json.dumps([astuple(file) for file in contents.files])
    with written(path) as beside:
        save_file(tensors, beside, metadata={"files": files, "sha256": _sum(files, tensors)})


def read(path: Path) -> Contents:
    """What `write` wrote. Raises Damaged for anything else."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in TENSORS}
            said = file.metadata() or {}
        files = tuple(File(*entry) for entry in json.loads(said["files"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{path}: {type(error).__name__}: {error}") from None
    if _sum(said["files"], tensors) != said.get("sha256"):
        raise Damaged(f"{path}: its sha256 is not the one that was written")
    return Contents(files, *(tensors[name] for name in TENSORS))


def _sum(files: str, tensors: dict[str, Tensor]) -> str:
    hashed = hashlib.sha256(files.encode())
    for name in TENSORS:
        hashed.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        hashed.update(tensors[name].contiguous().numpy().data)
    return hashed.hexdigest()


def place(folder: Path) -> Path:
    """Where the embeddings of a folder lie: in it, or in the user's cache where it cannot be written to."""
    beside = folder / BESIDE
    try:
        beside.mkdir(exist_ok=True)
        (beside / "writable").touch()
        (beside / "writable").unlink()
    except OSError:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        beside = caches / "clipvip" / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        beside.mkdir(parents=True, exist_ok=True)
    return beside
