"""The frame cache: every clip of a corpus decoded once, resized, as one array of bytes (paper section 4.1).

`frames.npy` is uint8 [frames, size, size, 3], all clips one after another; `clips.parquet` says where each begins,
or why it could not be read. Reading a clip is then a slice of a memory map, the same for every seed and every study.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from jaxtyping import Int, UInt8
from tqdm import tqdm

from clipvip.config.data import FramesSettings
from clipvip.data import manifest
from clipvip.data.clip_files import Places
from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError
from clipvip.data.media.video import read_chunks, resize
from clipvip.data.unreadable import stop_if_too_many
from clipvip.runtime.context import Run
from clipvip.runtime.files import written

FRAMES, CLIPS = "frames.npy", "clips.parquet"


def make(settings: FramesSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """Decode every clip of `inputs["corpus"]` into `out`; unreadable clips are left out, named and counted.

    Raises ValueError when more clips are unreadable than the corpus allows (its `max_bad`).
    """
    corpus = inputs["corpus"]
    where = Places(corpus)
    verifier = checksums.Verifier(corpus, manifest.media_root(corpus)) if settings.verify else None
    places: list[tuple[str, int, int]] = []
    unreadable: list[dict[str, str]] = []
    offset, began = 0, perf_counter()
    with open(out / FRAMES, "wb") as file:
        header = _write_header(file, 0, settings.size)
        for clip_id in tqdm(where.ids, desc="frames", unit="clip", disable=None):
            here, place = file.tell(), where[clip_id]
            try:
                if verifier is not None:
                    verifier.check(place.path)
                with where.file(place) as path:
                    count = _append(file, path, place.start, place.end, settings)
            except VideoError as error:
                unreadable.append({"clip_id": clip_id, "reason": error.reason})
                file.seek(here)  # a video that breaks in its middle leaves nothing behind
                file.truncate()
                continue
            places.append((clip_id, offset, count))
            offset += count
        file.seek(0)
        assert _write_header(file, offset, settings.size) == header, "numpy pads the header so that it can grow"
    bad = [entry["clip_id"] for entry in unreadable]
    stop_if_too_many(bad, len(where.ids), allowed=manifest.max_bad(corpus), where=corpus)
    if not places:
        raise ValueError(f"{corpus}: not one clip could be decoded")
    table = pd.DataFrame(places, columns=["clip_id", "offset", "count"])
    with written(out / CLIPS) as beside:
        pd.concat([table, pd.DataFrame(unreadable, columns=["clip_id", "reason"])]).to_parquet(beside, index=False)
    speed = len(where.ids) / max(perf_counter() - began, 1e-9)
    return {"clips": len(places), "frames": offset, "unreadable": unreadable, "clips_per_s": round(speed, 1)}


class FrameCache:
    """A finished cache, opened for reading; safe to hand to other processes (each maps the file anew)."""

    def __init__(self, folder: Path) -> None:
        table = pd.read_parquet(folder / CLIPS)
        bad = table["count"].isna()
        self._reasons = {row["clip_id"]: row["reason"] for row in table[bad].to_dict("records")}
        table = table[~bad].astype({"offset": np.int64, "count": np.int64})
        self.folder = folder
        self.clip_ids: list[str] = table["clip_id"].tolist()
        self.position: dict[str, int] = {clip_id: place for place, clip_id in enumerate(self.clip_ids)}
        self._offsets: list[int] = table["offset"].tolist()
        self._counts: list[int] = table["count"].tolist()
        self._frames = np.load(folder / FRAMES, mmap_mode="r")
        if len(self._frames) != sum(self._counts):
            raise ValueError(f"{folder}: {FRAMES} holds {len(self._frames)} frames, {CLIPS} {sum(self._counts)}")
        self._bytes = self._frames.view(np.ndarray)  # the same map: a memmap's own indexing is slower

    @classmethod
    def open(cls, folder: Path) -> "FrameCache":
        """The cache in a cell's folder; ValueError if it is not there."""
        for name in (CLIPS, FRAMES):
            if not (folder / name).is_file():
                raise ValueError(f"{folder / name}: no such file; make the frame cache first")
        return cls(folder)

    def __reduce__(self) -> tuple[Callable[[Path], "FrameCache"], tuple[Path]]:
        return type(self).open, (self.folder,)

    def __len__(self) -> int:
        return len(self.clip_ids)

    @property
    def size(self) -> int:
        """Side of its square frames [pixels]."""
        return int(self._frames.shape[1])

    def readable(self, clip_id: str) -> int:
        """The position of a clip. VideoError, with the reason it was left out for, where it could not be read."""
        if clip_id not in self.position:
            raise VideoError(self.folder / clip_id, self._reasons.get(clip_id, "not in the frame cache"))
        return self.position[clip_id]

    def count(self, position: int) -> int:
        """Frames of the clip at `position`."""
        return self._counts[position]

    def read(
        self, position: int, indices: Sequence[int] | Int[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames size size 3"]:
        """Frames `indices` of the clip at `position`, copied; IndexError beyond the clip, never a neighbour's frame."""
        wanted = np.asarray(indices, dtype=np.int64)
        count = self._counts[position]
        if any(not 0 <= index < count for index in wanted.tolist()):
            raise IndexError(f"clip {self.clip_ids[position]!r} has {count} frames, not {wanted.max()}")
        found: np.ndarray = self._bytes[self._offsets[position] + wanted]
        return found


def _append(file: BinaryIO, path: Path, start: float | None, end: float | None, settings: FramesSettings) -> int:
    """Decode, resize and write one clip; how many frames it has."""
    count = 0
    for frames in read_chunks(path, start=start, end=end, fps=settings.fps):
        file.write(resize(frames, settings.size, settings.resize, settings.antialias).data)
        count += len(frames)
    return count


def _write_header(file: BinaryIO, frames: int, size: int) -> int:
    """The .npy header for `frames` frames; where the data begins."""
    shape = (frames, size, size, 3)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()
