"""Splits of a downstream set, and the recalls on val by which checkpoints are chosen and curves are drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipvip.data import manifest
from clipvip.data.clips import Clips
from clipvip.evaluation.embedding import embed_clips, embed_texts
from clipvip.evaluation.ranks import match_ranks, recall
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime import cell_files

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

    def only(self, kept: Tensor) -> "Split":
        """The split of the clips that `kept` (Bool[clips]) marks, with their texts."""
        place = torch.cumsum(kept, dim=0) - 1
        stays = kept[self.owner]
        clip_ids = [clip_id for clip_id, keep in zip(self.clip_ids, kept.tolist(), strict=True) if keep]
        texts = [text for text, keep in zip(self.texts, stays.tolist(), strict=True) if keep]
        return Split(clip_ids, texts, place[self.owner[stays]])


def open_split(corpus: Path, split: str) -> Split:
    """A split of a corpus. ValueError if it has no clip."""
    rows = manifest.read(corpus, split=split)
    clip_ids = list(manifest.clips(rows)["clip_id"])
    if not clip_ids:
        raise ValueError(f"{corpus / cell_files.MANIFEST}: no clip in split {split!r}")
    position = {clip_id: i for i, clip_id in enumerate(clip_ids)}
    rows = rows[rows["clip_id"].isin(position)]
    return Split(clip_ids, list(rows["text"]), torch.tensor([position[i] for i in rows["clip_id"]]))


def embed_split(
    model: ClipVip, clips: Clips, split: Split, num_frames: int, *, workers: int = 0
) -> tuple[Split, Tensor]:
    """The split without the clips that turn out unreadable, and the embeddings [clips, dim] of its clips.

    Raises ValueError when more of them are unreadable than the corpus allows, or all.
    """
    videos = embed_clips(model, clips, split.clip_ids, num_frames, workers=workers)
    there = ~videos.isinf().all(dim=1)
    if bool(there.all()):
        return split, videos
    assert clips.quarantine is not None
    clips.quarantine.stop_if_too_many(len(split.clip_ids))
    if not bool(there.any()):
        raise ValueError(f"{clips.quarantine.folder}: not one of {len(split.clip_ids)} clips can be read")
    return split.only(there), videos[there]


def validation(
    model: ClipVip, tokenizer: Any, clips: Clips, split: Split, num_frames: int, max_tokens: int, *, workers: int = 0
) -> dict[str, float]:
    """Text-to-video recalls on a split, for choosing and for curves; never called with a test split."""
    split, videos = embed_split(model, clips, split, num_frames, workers=workers)
    texts = embed_texts(model, tokenizer, split.texts, max_tokens)
    return {f"t2v/R@{k}": recall(match_ranks(texts, videos, split.owner), k) for k in RECALLS}
