"""A folder of videos that can be asked: embedded once, later only what is new or changed, and ranked."""

import hashlib
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from clipvip.config.base import digest
from clipvip.data.media.file_header import VideoError
from clipvip.data.video_folder import files_of
from clipvip.evaluation.encoder import Encoder
from clipvip.evaluation.search import store
from clipvip.evaluation.search.store import Contents, Damaged, File
from clipvip.evaluation.search.stretches import Looks, embed
from clipvip.runtime.files import locked

SAVE_SECONDS = 120.0  # what a kill may lose
OUTSIDE = "a link that leads out of the folder"


@dataclass(frozen=True)
class Moment:
    """One frame: its time in the file, in seconds, and its similarity."""

    seconds: float
    score: float


@dataclass(frozen=True)
class Hit:
    """A video that fits: its best stretch's similarity and number, that stretch's frames, and the best one of them."""

    path: str
    score: float
    stretch: int
    frames: tuple[Moment, ...]
    best: int  # which of `frames`

    @property
    def moment(self) -> Moment:
        """The frame that fits best."""
        return self.frames[self.best]


@dataclass(frozen=True)
class Index:
    """The embeddings of a folder; `told` says what was done to have them."""

    folder: Path
    contents: Contents
    looks: Looks
    unreadable: tuple[tuple[str, str], ...] = ()  # path, reason
    told: tuple[str, ...] = ()

    @cached_property
    def _owners(self) -> Tensor:
        return self.contents.owners()

    @property
    def videos(self) -> int:
        """Videos that can be found."""
        return sum(file.stretches > 0 for file in self.contents.files)

    def rank(
        self, queries: Float[Tensor, "queries dim"], top: int = 10, *, leave_out: Collection[str] = ()
    ) -> list[Hit]:
        """The best videos, best first; a stretch counts with the query that is nearest to it, a video with its best
        stretch, ties in order of path. ValueError for queries of another width."""
        if queries.shape[1] != self.contents.stretches.shape[1]:
            raise ValueError(f"queries of width {queries.shape[1]}, the index has {self.contents.stretches.shape[1]}")
        scores = (self.contents.stretches @ queries.T).amax(dim=1)
        files = self.contents.files
        best = torch.full((len(files),), -torch.inf).scatter_reduce(0, self._owners, scores, "amax")
        for index in (i for i, file in enumerate(files) if file.path in leave_out) if leave_out else ():
            best[index] = -torch.inf
        order = torch.argsort(best, descending=True, stable=True)[:top].tolist()
        return [self._hit(index, scores, queries) for index in order if best[index] > -torch.inf]

    def _hit(self, index: int, scores: Tensor, queries: Tensor) -> Hit:
        first = int(torch.searchsorted(self._owners, index))
        row = first + int(scores[first : first + self.contents.files[index].stretches].argmax())
        near = (self.contents.frames[row].float() @ queries.T).amax(dim=1).tolist()
        frames = tuple(map(Moment, self.contents.times[row].tolist(), near))
        best = max(range(len(near)), key=near.__getitem__)
        return Hit(self.contents.files[index].path, float(scores[row]), row, frames, best)


def open_index(encoder: Encoder, folder: Path, *, looks: Looks | None = None, cache: Path | None = None) -> Index:
    """The index of a folder for this model, brought up to date with its files and kept in `cache` (default: a hidden
    folder in it, or the user's cache where that cannot be written). ValueError where there is no readable video."""
    looks = looks or Looks(num_frames=encoder.model.settings.num_frames)
    found = files_of(folder)
    here = store.place(folder) if cache is None else cache
    path = here / f"{_identity(encoder, looks)}.safetensors"
    with locked(here / "lock"):
        old, told = _old(path)
        now = {each: _stat(folder, each) for each in found.media}
        kept = {file.path for file in old.files if now.get(file.path) == (file.size, file.changed)}
        contents = old.only(kept)
        new = [each for each in found.media if each not in kept]
        contents = _embedded(encoder, folder, contents, {each: now[each] for each in new}, looks, path)
        known = {file.path for file in old.files}
        gone, changed = len(known - set(now)), len(known & set(new))
        if new or gone:
            store.write(contents, path)
            told.append(
                f"embedded {len(new) - changed} new and {changed} changed files, dropped {gone}; kept in {here}"
            )
    bad = [(file.path, file.reason) for file in contents.files if file.reason]
    unreadable = tuple([*bad, *((each, OUTSIDE) for each in found.outside)])
    index = Index(folder, contents, looks, unreadable, tuple(told))
    if not index.videos:
        raise ValueError(f"{folder}: not one of {len(bad)} videos could be read; {bad[0][0]}: {bad[0][1]}")
    return index


def _old(path: Path) -> tuple[Contents, list[str]]:
    if not path.exists():
        return store.nothing(), []
    try:
        return store.read(path), []
    except Damaged as error:
        return store.nothing(), [f"damaged embeddings are made anew: {error}"]


def _stat(folder: Path, path: str) -> tuple[int, int]:
    try:
        stat = (folder / path).stat()
    except OSError:  # gone since the folder was listed
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _embedded(
    encoder: Encoder, folder: Path, old: Contents, new: dict[str, tuple[int, int]], looks: Looks, path: Path
) -> Contents:
    """`old` with the new files; saved from time to time, so that a long run goes on where it was stopped."""
    files: list[File] = []
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    saved, contents = time.monotonic(), old
    try:
        for each, (size, changed) in tqdm(new.items(), desc="embedding", unit="video", disable=None):
            file = File(each, size, changed)
            try:
                embedded = embed(encoder.model, folder / each, looks)
                rows.append(embedded)
                files.append(replace(file, stretches=len(embedded[0])))
            except VideoError as error:
                files.append(replace(file, reason=error.reason))
            if time.monotonic() - saved > SAVE_SECONDS:
                contents, saved = contents.plus(files, rows), time.monotonic()
                files, rows = [], []
                store.write(contents, path)
    except KeyboardInterrupt:
        store.write(contents.plus(files, rows), path)
        raise
    return _in_order(contents.plus(files, rows))


def _in_order(contents: Contents) -> Contents:
    """By path, so that a folder has one index however it came to it."""
    order = sorted(range(len(contents.files)), key=lambda i: contents.files[i].path)
    if order == list(range(len(order))):
        return contents
    counts = torch.tensor([file.stretches for file in contents.files], dtype=torch.long)
    ends = counts.cumsum(0)
    rows = torch.cat([torch.arange(int(ends[i] - counts[i]), int(ends[i])) for i in order])
    tensors = (contents.stretches[rows], contents.frames[rows], contents.times[rows])
    return Contents(tuple(contents.files[i] for i in order), *tensors)


def _identity(encoder: Encoder, looks: Looks) -> str:
    """Of the weights, the shape of the model, and how videos are looked at."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(encoder.model.named_tensors().items()):
        hashed.update(f"{name} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.detach().cpu().numpy().data)
    return digest([hashed.hexdigest(), encoder.model.settings.model_dump(mode="json"), asdict(looks)])


def of_text(encoder: Encoder, text: str) -> Float[Tensor, "1 dim"]:
    """A text as queries. ValueError where it is empty."""
    if not text.strip():
        raise ValueError("the text to search for is empty")
    return encoder.encode_text([text])


def of_video(encoder: Encoder, path: Path, looks: Looks) -> Float[Tensor, "stretches dim"]:
    """A video as queries, a row a stretch. Raises VideoError."""
    return embed(encoder.model, path, looks)[0]


def same_file(index: Index, path: Path) -> list[str]:
    """This path as the index names it, if it lies in its folder."""
    whole, root = path.resolve(), index.folder.resolve()
    return [whole.relative_to(root).as_posix()] if whole.is_relative_to(root) else []
