"""Batches: which clips, which frames, which text. Each is a function of seed and step alone, so that a
run can go on at any step as if it had never stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Bool, Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from clipvip.data.clips import Clips, Frames, Still
from clipvip.runtime.distributed import share

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
        """The batch on a device."""
        frame = None if self.frame is None else self.frame.to(device, non_blocking=True)
        present = {role: rows.to(device) for role, rows in self.present.items()}
        ids, mask = self.input_ids.to(device), self.attention_mask.to(device)
        return Batch(self.video.to(device, non_blocking=True), frame, self.roles, ids, mask, present)

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
        epoch, within = divmod(step, len(self))
        if epoch not in self._order:
            self._order.clear()
            self._order[epoch] = np.random.default_rng([self.seed, epoch]).permutation(len(self.clip_ids))
        drawn = self._order[epoch][within * self.size : (within + 1) * self.size]
        positions = drawn[share(len(drawn), *self.part)].tolist()
        ids = [self.clip_ids[position] for position in positions]
        draws = [np.random.default_rng([self.seed, epoch, position]) for position in positions]
        videos, middles, there = zip(*(self._pictures(i, rng) for i, rng in zip(ids, draws, strict=True)), strict=True)
        video, frame = np.stack(videos), np.stack(middles) if self.with_frame else None
        written, present = [], {}
        for role, texts in self.texts.items():
            known = [texts.get(i, []) for i in ids]
            written += [k[rng.integers(len(k))] if k else "" for k, rng in zip(known, draws, strict=True)]
            present[role] = torch.tensor([bool(k) and seen for k, seen in zip(known, there, strict=True)])
        tokens = tokenize_again(self.tokenizer, written, self.max_tokens, self._known)
        still = None if frame is None else torch.from_numpy(frame)
        return Batch(torch.from_numpy(video), still, tuple(self.texts), *tokens, present)

    def _pictures(self, clip_id: str, rng: np.random.Generator) -> tuple[Frames, Still | None, bool]:
        """A clip in quarantine has no text in the batch, so that no term of the objective counts it."""
        return self.clips.pictures(clip_id, self.num_frames, rng, with_middle=self.with_frame)


def tokenize(
    tokenizer: Any, texts: list[str], max_tokens: int
) -> tuple[Int[Tensor, "texts tokens"], Int[Tensor, "texts tokens"]]:
    """Token ids and mask, padded to the longest text, cut at `max_tokens`."""
    found = tokenizer(texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def tokenize_again(
    tokenizer: Any, texts: list[str], max_tokens: int, known: dict[str, np.ndarray]
) -> tuple[Int[Tensor, "texts tokens"], Int[Tensor, "texts tokens"]]:
    """The same as `tokenize`; ids of texts in `known` are taken from there, those of new ones join it up to MOST_KNOWN.

    A run draws a text of a small corpus many times, and tokenising takes longer than all else of a batch.
    """
    if tokenizer.padding_side != "right" or tokenizer.pad_token_id is None:
        return tokenize(tokenizer, texts, max_tokens)
    new = [text for text in dict.fromkeys(texts) if text not in known]
    rows = tokenizer(new, truncation=True, max_length=max_tokens)["input_ids"] if new else []
    fresh = {text: np.array(row, dtype=np.int64) for text, row in zip(new, rows, strict=True)}
    found = [fresh[text] if text in fresh else known[text] for text in texts]
    ids = np.full((len(texts), max(map(len, found))), tokenizer.pad_token_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(found):
        ids[place, : len(row)], mask[place, : len(row)] = row, 1
    if len(known) + len(fresh) <= MOST_KNOWN:
        known.update(fresh)
    return torch.from_numpy(ids), torch.from_numpy(mask)


def stream(batches: Batches, start: int, stop: int, workers: int) -> Iterator[Batch]:
    """Batches `start` to `stop`, prepared ahead by `workers` processes (0: in this one).

    Raises ValueError when more clips are in quarantine than the corpus allows.
    """
    own = torch.Generator()  # the loader draws a seed at its start; from here, so that a resumed run draws no more
    loader = DataLoader(batches, batch_size=None, sampler=range(start, stop), num_workers=workers, generator=own)
    for batch in loader:
        if batches.clips.quarantine is not None:
            batches.clips.quarantine.stop_if_too_many(len(batches.clip_ids))
        yield batch


def texts_by_clip(rows: pd.DataFrame, column: str = "text") -> dict[str, list[str]]:
    """Clip id -> its texts."""
    return {str(key): list(group) for key, group in rows.groupby("clip_id", sort=False)[column]}
