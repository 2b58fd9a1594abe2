"""A video cut into stretches, each seen in as many frames as the model takes: a short video is one stretch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from clipvip.data.media.moments import Span
from clipvip.data.media.video import duration_of, frame_times, read_frames, read_timed, resize, sample_indices
from clipvip.model.clip_vip import ClipVip
from clipvip.model.video_encoder import has_temporal, unit

Resize = Literal["squash", "crop"]
TOGETHER = 8  # stretches encoded at a time


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How videos are looked at; each of these is part of what a cached embedding is of."""

    num_frames: int
    """frames of a stretch [frames]"""
    seconds: float = 30.0
    """longest stretch [s]"""
    resize: Resize = "squash"
    """how frames become square"""


@dataclass(frozen=True)
class Stretch:
    """Consecutive sampled frames with their times (seconds from the start of the file)."""

    frames: UInt8[np.ndarray, "frames side side 3"]
    times: Float[np.ndarray, " frames"]


def stretches(path: Path, side: int, looks: Looks) -> Iterator[Stretch]:
    """A video of at most `looks.seconds` as evaluation samples it; a longer one evenly, `num_frames` at a time.

    The last stretch ends with the video, so it may reach back into the one before. Raises VideoError.
    """
    shown = np.array(frame_times(path))
    if len(shown) <= looks.num_frames or duration_of(shown.tolist()) <= looks.seconds:
        indices = sample_indices(len(shown), looks.num_frames, rng=None)
        yield Stretch(resize(read_frames(path, indices), side, looks.resize), shown[indices])
        return
    held, times, fresh = np.empty((0, side, side, 3), np.uint8), np.empty(0), 0
    for pictures in read_timed(path, Span(fps=looks.num_frames / looks.seconds)):
        chunk = np.stack([picture for _, picture in pictures])
        held = np.concatenate([held, resize(chunk, side, looks.resize)])
        times, fresh = np.append(times, [time for time, _ in pictures]), fresh + len(pictures)
        while fresh >= looks.num_frames:
            fresh -= looks.num_frames
            end = len(held) - fresh
            own = slice(end - looks.num_frames, end)
            yield Stretch(held[own], times[own])
        kept = looks.num_frames + fresh
        held, times = held[-kept:], times[-kept:]
    if fresh:
        yield Stretch(held[-looks.num_frames :], times[-looks.num_frames :])


def embed(model: ClipVip, path: Path, looks: Looks) -> tuple[Tensor, Tensor, Tensor]:
    """A video as fp32 stretches [stretches, dim], fp16 frames [stretches, frames, dim], and times of the frames in
    seconds [stretches, frames]; embeddings have length one. Raises VideoError."""
    found: list[tuple[Tensor, Tensor]] = []
    times: list[Tensor] = []
    waiting: list[UInt8[np.ndarray, "frames side side 3"]] = []
    for stretch in stretches(path, model.config.vision_config.image_size, looks):
        waiting.append(stretch.frames)
        times.append(torch.from_numpy(stretch.times).float())
        if len(waiting) == TOGETHER:
            found.append(_encode(model, np.stack(waiting)))
            waiting.clear()
    if waiting:
        found.append(_encode(model, np.stack(waiting)))
    whole, frames = (torch.cat(each) for each in zip(*found, strict=True))
    return whole, frames.half(), torch.stack(times)


@torch.inference_mode()
def _encode(model: ClipVip, frames: UInt8[np.ndarray, "stretches frames side side 3"]) -> tuple[Tensor, Tensor]:
    """Embeddings of stretches and of each of their frames as a video of its own."""
    pixels = torch.from_numpy(frames).to(model.logit_scale.device)
    single = model.encode_video(rearrange(pixels, "s n h w c -> (s n) 1 h w c"))
    each = rearrange(single, "(s n) d -> s n d", s=len(pixels))
    plain = model.settings.pooling == "mean" and not has_temporal(model.settings)
    whole = unit(each.mean(dim=1)) if plain else model.encode_video(pixels)
    return whole.float().cpu(), each.float().cpu()
