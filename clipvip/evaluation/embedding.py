"""A model and clips or texts -> embeddings.

Several processes each take whole batches of those that one would have made, so that every embedding is the same to the
last bit however many there are; all get all of them.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from clipvip.config.learning import ModelSettings
from clipvip.data.ahead import read_ahead
from clipvip.data.batches import tokenize
from clipvip.data.clips import Clips
from clipvip.data.media.file_header import VideoError
from clipvip.model.clip_vip import ClipVip
from clipvip.model.source import read_tokenizer
from clipvip.runtime.distributed import gather, moved, rank, share, size, together

Pictures = tuple[np.ndarray, np.ndarray | None, bool]  # frames, the middle one if asked for, whether they could be read


@torch.inference_mode()
def embed_clips(
    model: ClipVip, clips: Clips, clip_ids: Sequence[str], num_frames: int, *, batch_size: int = 64, workers: int = 0
) -> Float[Tensor, "clips dim"]:
    """Embeddings of clips, frames sampled as for evaluation, on the CPU in fp32; infinite for a clip in quarantine.

    `workers`: processes that read ahead.
    """
    device, found = model.logit_scale.device, _nothing(model)
    starts = _own(len(clip_ids), batch_size)
    own = [i for start in starts for i in clip_ids[start : start + batch_size]]
    coming = read_ahead(functools.partial(_pictures, clips, num_frames), own, workers)
    for batch in _in_batches(coming, batch_size):
        seen = [_seen(each) for each in batch]
        pixels = torch.from_numpy(np.stack([frames for frames, _, _ in seen])).to(device)
        there = torch.tensor([good for _, _, good in seen])
        found.append(model.encode_video(pixels).float().cpu().masked_fill(~there[:, None], torch.inf))
        moved()
    together()
    return gather(torch.cat(found))


def _pictures(clips: Clips, num_frames: int, clip_id: str) -> Pictures:
    return clips.pictures(clip_id, num_frames, None)


def _seen(found: Pictures | VideoError) -> Pictures:
    if isinstance(found, VideoError):
        raise found
    return found


def _in_batches(coming: Iterator[Pictures | VideoError], size: int) -> Iterator[list[Pictures | VideoError]]:
    while batch := list(itertools.islice(coming, size)):
        yield batch


@torch.inference_mode()
def embed_texts(
    model: ClipVip, tokenizer: Any, texts: Sequence[str], max_tokens: int, *, batch_size: int = 256
) -> Float[Tensor, "texts dim"]:
    """Embeddings of texts in their order; batched by length so that little is padded.

    Copies of a text are embedded once: in two batches they would differ by rounding.
    """
    device, found = model.logit_scale.device, _nothing(model)
    order = sorted(dict.fromkeys(texts), key=len)
    for start in _own(len(order), batch_size):
        ids, mask = tokenize(tokenizer, order[start : start + batch_size], max_tokens)
        found.append(model.encode_text(ids.to(device), mask.to(device)).float().cpu())
        moved()
    together()
    row = {text: i for i, text in enumerate(order)}
    return gather(torch.cat(found))[torch.tensor([row[text] for text in texts], dtype=torch.long)]


def _own(total: int, batch_size: int) -> range:
    """Where the batches of this process begin."""
    return range(0, total, batch_size)[share(-(-total // batch_size), rank(), size())]


def _nothing(model: ClipVip) -> list[Tensor]:
    """A process that has no batch still has a width to tell."""
    return [torch.empty(0, model.dim)]


def load_model(cell: Path, settings: ModelSettings | None, seed: int) -> ClipVip:
    """The model that a cell made; `settings` where it made a plain CLIP that is still to become a video encoder."""
    if settings is None:
        return ClipVip.from_pretrained(cell / "model")
    return ClipVip.from_pretrained(cell / "model", settings, seed=seed)


def load_tokenizer(cell: Path) -> Any:
    """The tokenizer that a cell keeps beside its model."""
    return read_tokenizer(cell / "model")
