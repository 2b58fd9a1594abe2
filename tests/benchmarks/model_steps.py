"""The steps that are timed: the same weights and the same batch, by us and by the plain reference."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import reference
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from clipvip.config.learning import ModelSettings, OptimSettings
from clipvip.config.stages import OBJECTIVES
from clipvip.model.clip_vip import ClipVip
from clipvip.model.loss import omnisource_loss
from clipvip.model.video_encoder import normalise
from clipvip.training.optimiser import param_groups

Step = Callable[[], Tensor]
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Shape:
    """A CLIP and how many clips a step takes of it."""

    name: str
    batch: int
    vision: dict[str, int]
    text: dict[str, int]
    frames: int = 12

    def model(self, **settings: object) -> ClipVip:
        """Random weights, in training."""
        config = CLIPConfig(vision_config=self.vision, text_config=self.text)
        chosen = ModelSettings(**{"num_frames": self.frames, "temporal_std": 0.02, **settings})
        return ClipVip.from_clip(CLIPModel(config), chosen, torch.Generator().manual_seed(0)).train()

    def pixels(self, frames: int | None = None) -> Tensor:
        side = CLIPConfig(vision_config=self.vision).vision_config.image_size
        return torch.randn(self.batch, frames or self.frames, 3, side, side)

    def of(self, batch: int) -> "Shape":
        return replace(self, batch=batch)


B32 = Shape("B/32", 2, {"patch_size": 32}, {})
B16 = Shape("B/16", 1, {"patch_size": 16}, {})
_TINY = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
TINY = Shape("tiny", 2, {**_TINY, "image_size": 32, "patch_size": 8}, _TINY, frames=3)


def encoders(model: ClipVip) -> dict[str, Encode]:
    """The two ways to embed a video."""
    return {"ours": model.encode_video, "reference": lambda pixels: reference.encode_video(model, pixels)}


def video_step(model: ClipVip, encode: Encode, pixels: Tensor, dtype: torch.dtype | None = None) -> Step:
    """Forward and backward of the video encoder; the embeddings."""
    weight = _weight(model).to(pixels.device)

    def step() -> Tensor:
        model.zero_grad(set_to_none=True)
        with torch.autocast(pixels.device.type, dtype=dtype, enabled=dtype is not None):
            found = encode(pixels)
        (found.float() @ weight).sum().backward()
        return found.detach()

    return step


def _weight(model: ClipVip) -> Tensor:
    """What the embeddings are multiplied with, the same in every step: a loss with a gradient everywhere."""
    return torch.linspace(-1, 1, model.config.projection_dim)


@dataclass(frozen=True)
class Texts:
    """Texts with 5 to 70 tokens, drawn evenly, with their mask, and the same padded to 70."""

    ids: Tensor
    mask: Tensor
    padded_ids: Tensor
    padded_mask: Tensor


def texts(model: ClipVip, count: int, seed: int = 0) -> Texts:
    config, generator = model.config.text_config, torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, reference.TEXT_TOKENS + 1, (count,), generator=generator)
    places = torch.arange(reference.TEXT_TOKENS)
    ids = torch.randint(1, config.eos_token_id, (count, reference.TEXT_TOKENS), generator=generator)
    mask = (places < lengths[:, None]).long()
    ids = torch.where(places == lengths[:, None] - 1, config.eos_token_id, ids * mask)
    longest = int(lengths.max())
    return Texts(ids[:, :longest], mask[:, :longest], ids, mask)


def text_steps(model: ClipVip, count: int, dtype: torch.dtype | None) -> dict[str, Step]:
    """Forward and backward of the text tower, ours and the reference's."""
    batch, weight = texts(model, count), _weight(model)

    def step(encode: Callable[[], Tensor]) -> Tensor:
        model.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            found = encode()
        (found.float() @ weight).sum().backward()
        return found.detach()

    return {
        "ours": lambda: step(lambda: model.encode_text(batch.ids, batch.mask)),
        "reference": lambda: step(lambda: reference.encode_text(model, batch.padded_ids, batch.padded_mask)),
    }


def whole_steps(shape: Shape, model: ClipVip, dtype: torch.dtype) -> dict[str, Step]:
    """A whole post-pretraining step of objective (d): decoded frames in, weights changed; the loss.

    The learning rate is 0, so that both see the same weights for ever; AdamW does all its work nevertheless.
    """
    side = model.config.vision_config.image_size
    video = torch.randint(0, 256, (shape.batch, shape.frames, side, side, 3), dtype=torch.uint8)
    frame = video[:, shape.frames // 2 : shape.frames // 2 + 1]
    both = texts(model, 2 * shape.batch)
    optimiser = torch.optim.AdamW(
        param_groups(model, OptimSettings(steps=1, weight_decay=0.05)), lr=0.0, betas=(0.9, 0.98), fused=True
    )

    def ours() -> dict[str, Tensor]:
        found = {"video": model.encode_video(video), "frame": model.encode_video(frame)}
        subtitle, caption = model.encode_text(both.ids, both.mask).chunk(2)
        return {**found, "subtitle": subtitle, "caption": caption}

    def plain() -> dict[str, Tensor]:
        found = {role: reference.encode_video(model, normalise(p)) for role, p in (("video", video), ("frame", frame))}
        halves = zip(both.padded_ids.chunk(2), both.padded_mask.chunk(2), strict=True)
        subtitle, caption = (reference.encode_text(model, ids, mask) for ids, mask in halves)
        return {**found, "subtitle": subtitle, "caption": caption}

    def step(embed: Callable[[], dict[str, Tensor]]) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=dtype):
            embeddings = embed()
        loss = omnisource_loss(embeddings, OBJECTIVES["d"], model.logit_scale)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        model.clamp_logit_scale()
        return loss.detach()

    return {"ours": lambda: step(ours), "reference": lambda: step(plain)}
