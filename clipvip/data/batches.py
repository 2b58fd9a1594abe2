"""Batches: which clips, which frames, which text. Each is a function of seed and step alone, so that a
run can go on at any step as if it had never stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Bool, Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from clipvip.data.clips import Clips, Frames, Still
from clipvip.data.room import pictures
from clipvip.runtime.distributed import share, size

Ids = Int[np.ndarray, " _"]  # of a text: each has its own length

MOST_KNOWN = 100_000  # texts whose tokens are kept: some 60 MB


@dataclass(frozen=True)
class Batch:
    """What one training step reads. Texts of all roles stand below each other, in the order of `roles`."""

    video: UInt8[Tensor, "batch frames height width 3"]
    frame: UInt8[Tensor, "batch 1 height width 3"] | None
    roles: tuple[str, ...]
    input_ids: Int[Tensor, "texts tokens"]
    attention_mask: Int[Tensor, "texts tokens"]
    present: dict[str, Bool[Tensor, " batch"]]

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device. On a GPU a process that works alone leaves out roles that no clip lacks: looking which
        rows have one would make it wait."""
        frame = None if self.frame is None else self.frame.to(device, non_blocking=True)
        spared = device.type == "cuda" and size() == 1
        present = {role: rows.to(device) for role, rows in self.present.items() if not (spared and bool(rows.all()))}
        ids, mask = self.input_ids.to(device), self.attention_mask.to(device)
        return Batch(self.video.to(device, non_blocking=True), frame, self.roles, ids, mask, present)

    def tensors(self) -> list[Tensor]:
        """All that it holds."""
        frame = [] if self.frame is None else [self.frame]
        return [self.video, *frame, self.input_ids, self.attention_mask, *self.present.values()]

    def split(self, size: int) -> list["Batch"]:
        """The batch in parts of `size` clips, the last one of what is left. ValueError for a size below 1."""
        if size < 1:
            raise ValueError(f"micro_batch is {size}; it takes at least 1 clip")
        return [self._rows(slice(start, start + size)) for start in range(0, len(self.video), size)]

    def _rows(self, rows: slice) -> "Batch":
        ids, mask = (
            rearrange(
                rearrange(texts, "(role clip) token -> role clip token", role=len(self.roles))[:, rows],
                "role clip token -> (role clip) token",
            )
            for texts in (self.input_ids, self.attention_mask)
        )
        frame = None if self.frame is None else self.frame[rows]
        present = {role: each[rows] for role, each in self.present.items()}
        return Batch(self.video[rows], frame, self.roles, ids, mask, present)


@dataclass(frozen=True)
class Part:
    """What a worker tells of the clips that it read, besides their frames: for each role a list, an entry a clip."""

    texts: list[list[str]]
    tokens: list[list[Ids]] | None  # ids of each text; None where only the whole batch can be tokenised
    present: dict[str, list[bool]]


@dataclass(frozen=True, kw_only=True)
class Batches(Dataset[Batch]):
    """Batch number `step` of a run over `clip_ids`, drawn without repeats within an epoch."""

    clips: Clips
    clip_ids: Sequence[str]
    texts: dict[str, Mapping[str, list[str]]]  # role -> clip id -> its texts, of which one is drawn
    tokenizer: Any
    num_frames: int
    max_tokens: int
    batch_size: int
    seed: int
    with_frame: bool = False
    shuffle: int | None = None  # clips among which the order is drawn, those of a stretch of `clip_ids`; None: all
    keep_partial: bool = False  # what does not fill a batch is the last one of its epoch
    part: tuple[int, int] = (0, 1)  # of several processes: which this is, and how many; each reads its own rows
    _order: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    _known: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # token ids of texts drawn before

    def __post_init__(self) -> None:
        if len(self.clip_ids) < 2:
            raise ValueError(f"training needs at least two clips, found {len(self.clip_ids)}")
        if self.size < self.part[1]:
            raise ValueError(f"{self.part[1]} processes cannot share a batch of {self.size} clips; start fewer")
        if 0 < (left := self._partial) < self.part[1]:
            raise ValueError(
                f"{self.part[1]} processes cannot share the last {left} clips of an epoch; start fewer, or set "
                "keep_partial: false"
            )

    @property
    def size(self) -> int:
        """Clips of a batch over all processes: the batch size, or all of a smaller corpus."""
        return min(self.batch_size, len(self.clip_ids))

    def __len__(self) -> int:
        """Steps of one epoch; what does not fill a batch is left for another epoch, unless it is kept."""
        return len(self.clip_ids) // self.size + bool(self._partial)

    @property
    def per_epoch(self) -> float:
        """Batches that an epoch's clips fill."""
        return len(self.clip_ids) / self.size if self.keep_partial else float(len(self))

    @property
    def _partial(self) -> int:
        """Clips of the last batch where it is kept though they do not fill it."""
        return len(self.clip_ids) % self.size if self.keep_partial else 0

    def __getitem__(self, step: int) -> Batch:
        epoch, positions = self.drawn(step)
        video, frame = (pictures(self.pictures_of(len(positions), still=still)) for still in (False, True))
        return self.joined(video, frame, [self.read(epoch, positions, video, frame)])

    def drawn(self, step: int) -> tuple[int, list[int]]:
        """The epoch of a step, and the positions in `clip_ids` of the clips that this process reads in it."""
        epoch, within = divmod(step, len(self))
        if epoch not in self._order:
            self._order.clear()
            self._order[epoch] = drawn_order(
                len(self.clip_ids), self.shuffle, np.random.default_rng([self.seed, epoch])
            )
        drawn = self._order[epoch][within * self.size : (within + 1) * self.size]
        positions: list[int] = drawn[share(len(drawn), *self.part)].tolist()
        return epoch, positions

    def pictures_of(self, clips: int, *, still: bool = False) -> tuple[int, ...]:
        """Shape of the frames of so many clips, or of their middle frames, of which there may be none."""
        side = self.clips.size
        return (clips, int(self.with_frame) if still else self.num_frames, side, side, 3)

    def read(self, epoch: int, positions: Sequence[int], video: Tensor, frame: Tensor) -> "Part":
        """Read some clips: their frames are written into `video` and `frame`, one clip a row, their texts are given."""
        ids = [self.clip_ids[position] for position in positions]
        draws = [np.random.default_rng([self.seed, epoch, position]) for position in positions]
        there = []
        for row, (clip_id, rng) in enumerate(zip(ids, draws, strict=True)):
            frames, still, seen = self._pictures(clip_id, rng)
            video[row].numpy()[:] = frames
            if still is not None:
                frame[row].numpy()[:] = still
            there.append(seen)
        written, present = list[list[str]](), {}
        for role, texts in self.texts.items():
            known = [texts.get(i, []) for i in ids]
            written.append([k[rng.integers(len(k))] if k else "" for k, rng in zip(known, draws, strict=True)])
            present[role] = [bool(k) and seen for k, seen in zip(known, there, strict=True)]
        tokens = None
        if pads_right(self.tokenizer):
            tokens = [token_rows(self.tokenizer, texts, self.max_tokens, self._known) for texts in written]
        return Part(written, tokens, present)

    def joined(self, video: Tensor, frame: Tensor, parts: "Sequence[Part]") -> Batch:
        """The batch of parts that were read into `video` and `frame`, one after the other."""
        roles = range(len(self.texts))
        if all(part.tokens is not None for part in parts):
            rows = [row for role in roles for part in parts for row in (part.tokens or [])[role]]
            tokens = padded(rows, self.tokenizer.pad_token_id)
        else:
            texts = [text for role in roles for part in parts for text in part.texts[role]]
            tokens = tokenize(self.tokenizer, texts, self.max_tokens)
        present = {role: torch.tensor([seen for part in parts for seen in part.present[role]]) for role in self.texts}
        return Batch(video, frame if self.with_frame else None, tuple(self.texts), *tokens, present)

    def _pictures(self, clip_id: str, rng: np.random.Generator) -> tuple[Frames, Still | None, bool]:
        """A clip in quarantine has no text in the batch, so that no term of the objective counts it."""
        return self.clips.pictures(clip_id, self.num_frames, rng, with_middle=self.with_frame)


def drawn_order(clips: int, shuffle: int | None, rng: np.random.Generator) -> Int[np.ndarray, " {clips}"]:
    """Positions of all clips in the order of an epoch. With `shuffle` they are cut into stretches of so many, from a
    place on that is drawn; the stretches change places, and the clips within each: tar shards are then read from front
    to back, some at a time."""
    if shuffle is None or shuffle >= clips:
        return rng.permutation(clips)
    stretches = np.split(np.arange(clips), np.arange(rng.integers(1, shuffle + 1), clips, shuffle))
    return np.concatenate([rng.permutation(stretches[place]) for place in rng.permutation(len(stretches))])


def tokenize(
    tokenizer: Any, texts: list[str], max_tokens: int
) -> tuple[Int[Tensor, "texts tokens"], Int[Tensor, "texts tokens"]]:
    """Token ids and mask, padded to the longest text, cut at `max_tokens`."""
    if pads_right(tokenizer):  # by ourselves: quicker than the library's tensors
        return padded(token_rows(tokenizer, texts, max_tokens, {}), tokenizer.pad_token_id)
    found = tokenizer(texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def pads_right(tokenizer: Any) -> bool:
    """Whether texts can be tokenised one by one and padded afterwards."""
    return tokenizer.padding_side == "right" and tokenizer.pad_token_id is not None


def token_rows(tokenizer: Any, texts: Sequence[str], max_tokens: int, known: dict[str, Ids]) -> list[Ids]:
    """Token ids of each text, cut at `max_tokens`; those in `known` are taken from there, new ones join it up to
    MOST_KNOWN.

    A run draws a text of a small corpus many times, and tokenising takes longer than all else of a batch.
    """
    new = [text for text in dict.fromkeys(texts) if text not in known]
    rows = tokenizer(new, truncation=True, max_length=max_tokens)["input_ids"] if new else []
    fresh = {text: np.array(row, dtype=np.int64) for text, row in zip(new, rows, strict=True)}
    found = [fresh[text] if text in fresh else known[text] for text in texts]
    if len(known) + len(fresh) <= MOST_KNOWN:
        known.update(fresh)
    return found


def padded(rows: Sequence[Ids], pad: int) -> tuple[Int[Tensor, "texts tokens"], Int[Tensor, "texts tokens"]]:
    """Rows of token ids as one array, filled on the right to the longest, and its mask."""
    ids = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = row, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def texts_by_clip(rows: pd.DataFrame, column: str = "text") -> dict[str, list[str]]:
    """Clip id -> its texts."""
    return {str(key): list(group) for key, group in rows.groupby("clip_id", sort=False)[column]}
