"""Splits of a downstream set, and the recalls on val by which checkpoints are chosen and curves are drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipvip import manifest
from clipvip.batches import Clips
from clipvip.embed import embed_clips, embed_texts
from clipvip.model import ClipVip
from clipvip.ranks import match_ranks, recall

RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Split:
    """One split of a downstream set: its clips, its texts, and which clip each text belongs to."""

    clip_ids: list[str]
    texts: list[str]
    owner: Tensor  # Int[texts], index into clip_ids

    def owned(self) -> list[Tensor]:
        """For each clip the indices of its texts."""
        order = torch.argsort(self.owner, stable=True)
        return list(order.split(torch.bincount(self.owner, minlength=len(self.clip_ids)).tolist()))


def open_split(corpus: Path, clips: Clips, split: str) -> Split:
    """A split of a corpus, clips that cannot be read left out. ValueError if it has no clip."""
    rows = manifest.read(corpus, split=split)
    clip_ids = clips.readable(list(manifest.clips(rows)["clip_id"]))
    if not clip_ids:
        raise ValueError(f"{corpus / 'manifest.parquet'}: no readable clip in split {split!r}")
    position = {clip_id: i for i, clip_id in enumerate(clip_ids)}
    rows = rows[rows["clip_id"].isin(position)]
    return Split(clip_ids, list(rows["text"]), torch.tensor([position[i] for i in rows["clip_id"]]))


def validation(
    model: ClipVip, tokenizer: Any, clips: Clips, split: Split, num_frames: int, max_tokens: int
) -> dict[str, float]:
    """Text-to-video recalls on a split, for choosing and for curves; never called with a test split."""
    videos = embed_clips(model, clips, split.clip_ids, num_frames)
    texts = embed_texts(model, tokenizer, split.texts, max_tokens)
    return {f"t2v/R@{k}": recall(match_ranks(texts, videos, split.owner), k) for k in RECALLS}
