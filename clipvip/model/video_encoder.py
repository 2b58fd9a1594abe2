"""The video encoder: CLIP's own image tower over mean-pooled frames, video proxies or all tokens (paper section 3.2).

Sequence of `proxies`: [M proxies, N * L patches], frame after frame; of `full`: [class token, N * L patches]; of
`mean`: [class token, L patches] for every frame on its own. The first token is read out in all three. A tower without
class token (SigLIP) has one token less, and its own head reads all of them.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipvip.config.learning import ModelSettings
from clipvip.model import image_tower
from clipvip.model.attention import BLOCK, MOST_BLOCKS, attend, proxy_attention
from clipvip.model.layers import Attention, converted, run_layer
from clipvip.model.pixels import CLIP_PIXELS, Pixels

HALVES = (torch.bfloat16, torch.float16)
AMPERE = (8, 0)  # the oldest cards that the kernel was compiled for
Scale = tuple[Tensor, Tensor]  # mean and deviation of a channel's values, each [3], in the format of the pixels
SHAPES = 64  # of a layer's input that are compiled: videos, frames, the last of an epoch, validations


@functools.cache
def has_kernels() -> bool:
    """Whether Triton is there, as in PyTorch's own packages for GPUs on Linux; the kernels are loaded then. Said once
    where it is not."""
    if importlib.util.find_spec("triton") is None:
        print("no Triton here: proxy attention by torch, the same but slower; `pip install triton`", file=sys.stderr)
        return False
    from clipvip.model import frame_kernels  # noqa: F401

    return True


def normalise(
    pixels: UInt8[Tensor, "batch frames height width 3"],
    dtype: torch.dtype = torch.float32,
    scaling: Pixels = CLIP_PIXELS,
) -> Float[Tensor, "batch frames 3 height width"]:
    """Decoded frames (0..255, channels last) as the tower wants them, on the device where they are."""
    return _scaled(pixels, levels(scaling, dtype, pixels.device))


def _scaled(pixels: Tensor, scale: Scale) -> Tensor:
    return rearrange(pixels.to(scale[0].dtype).sub_(scale[0]).div_(scale[1]), "b n h w c -> b n c h w")


def levels(scaling: Pixels, dtype: torch.dtype, device: torch.device) -> Scale:
    """Mean and deviation of a channel's values 0..255."""
    mean, std = (torch.tensor(values, dtype=dtype, device=device) * 255 for values in (scaling.mean, scaling.std))
    return mean, std


@functools.lru_cache(maxsize=32)
def _kept_levels(scaling: Pixels, dtype: torch.dtype, device: torch.device) -> Scale:
    """Brought to a GPU once: that is to wait for it."""
    with torch.inference_mode(mode=False):
        return levels(scaling, dtype, device)


def unit(vectors: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows dim"]:
    """Rows of length one, in at least single precision: half precision would blur the similarities."""
    return F.normalize(vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors, dim=-1)


def cut(
    pixels: UInt8[Tensor, "batch frames height width 3"] | Float[Tensor, "batch frames 3 height width"],
    scale: Scale,
    side: int,
) -> Float[Tensor, "batch frames patches values"]:
    """Frames, normalised, cut into patches: what a product turns into what the convolution of the patches gives.

    On a GPU that takes a tenth of the time of the convolution. Under autocast they are in its format.
    """
    if pixels.dtype == torch.uint8:
        pixels = _scaled(pixels, scale)
    dtype = scale[0].dtype
    if torch.is_autocast_enabled(pixels.device.type):
        dtype = torch.get_autocast_dtype(pixels.device.type)
    return rearrange(pixels.to(dtype), "b n c (h p) (w q) -> b n (h w) (c p q)", p=side, q=side)


class VideoEncoder(nn.Module):
    """An image tower of transformers (CLIP's or SigLIP's) with its projection, read as a video encoder.

    `settings.num_frames` are the slots of the temporal embedding; a video of any other length interpolates them.
    `recompute` recomputes each layer in the backward pass instead of keeping its activations.
    """

    proxies: nn.Parameter | None
    temporal_embedding: nn.Parameter | None

    def __init__(
        self,
        vision_model: Any,
        visual_projection: nn.Module,
        settings: ModelSettings,
        generator: torch.Generator | None = None,
        pixels: Pixels = CLIP_PIXELS,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.pixels = pixels
        self.vision_model = vision_model
        self.visual_projection = visual_projection
        self.recompute = False
        self._layer: Callable[..., Tensor] = run_layer
        self._cut = cut
        weight = vision_model.embeddings.position_embedding.weight
        width = weight.shape[1]

        def new(rows: int, std: float) -> nn.Parameter:
            drawn = torch.randn(rows, width, generator=generator, dtype=torch.float64) * std
            return nn.Parameter(drawn.to(weight))

        extra = new_proxies(settings, class_token=image_tower.has_class_token(vision_model))
        self.proxies = new(extra, settings.proxy_std) if extra else None
        self.temporal_embedding = new(settings.num_frames, settings.temporal_std) if has_temporal(settings) else None

    def forward(
        self, pixels: Float[Tensor, "batch frames 3 height width"] | UInt8[Tensor, "batch frames height width 3"]
    ) -> Float[Tensor, "batch dim"]:
        """Videos (normalised, or uint8 as decoded; an image is a video of one frame) as vectors of length one."""
        tokens, attention = self.tokens(pixels)
        if tokens.is_cuda:  # half the bytes between layers; sums and norms are in fp32 inside each kernel
            tokens = converted(tokens)
        at_once = self._at_once(tokens, pixels.shape[1])
        layers = self.vision_model.encoder.layers
        for layer in layers[:-1]:
            if self.recompute and torch.is_grad_enabled():
                tokens = checkpoint(self._layer, layer, tokens, attention, at_once, use_reentrant=False)
            else:
                tokens = self._layer(layer, tokens, attention, at_once)
        embedding = unit(self.visual_projection(image_tower.read(self.vision_model, tokens, attention)))
        if self.settings.pooling != "mean":
            return embedding
        return unit(rearrange(embedding, "(b n) d -> b n d", b=len(pixels)).mean(dim=1))

    def _at_once(self, tokens: Tensor, frames: int) -> tuple[int, int] | None:
        """Numbers of proxies and frames where the kernel for a GPU takes such tokens, else nothing."""
        proxies, layer = self.settings.num_proxies, self.vision_model.encoder.layers[0].self_attn
        if self.settings.pooling != "proxies" or not tokens.is_cuda or tokens.dtype not in HALVES:
            return None
        if torch.cuda.get_device_capability(tokens.device) < AMPERE:
            return None
        most = BLOCK * (MOST_BLOCKS if layer.head_dim < 128 else 1)
        seen = proxies + (tokens.shape[1] - proxies) // frames
        if proxies >= BLOCK or seen > most or layer.head_dim not in (16, 32, 64, 128):
            return None
        return (proxies, frames) if has_kernels() else None

    def compile_layers(self, backend: str) -> None:
        """Compile the layer, once for each shape of its input: all layers but the last share what comes out."""
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SHAPES)
        self._layer = torch.compile(run_layer, backend=backend, dynamic=False)
        self._cut = torch.compile(cut, backend=backend, dynamic=False)

    def tokens(self, pixels: Tensor) -> tuple[Tensor, Attention]:
        """What enters the first layer, and how it attends there."""
        patches = self._patches(pixels)
        frames = patches.shape[1]
        if self.settings.patch_dropping and self.training:
            patches = drop_patches(patches, self.settings.patch_dropping)
        if self.settings.pooling == "mean":
            patches = rearrange(patches, "b n l d -> (b n) 1 l d")
        proxies = image_tower.class_token(self.vision_model)
        if self.proxies is not None:
            proxies = torch.cat([proxies, self.proxies])
        proxies = proxies + image_tower.place_of_proxies(self.vision_model)
        tokens = [repeat(proxies, "m d -> b m d", b=len(patches)), rearrange(patches, "b n l d -> b (n l) d")]
        attention: Attention = attend
        if self.settings.pooling == "proxies":
            attention = partial(proxy_attention, num_proxies=len(proxies), num_frames=frames)
        return image_tower.enter(self.vision_model, torch.cat(tokens, dim=1)), attention

    def _patches(self, pixels: Tensor) -> Tensor:
        """Patches with their places in space and, where the settings say so, in time: [batch, frames, L, width]."""
        embeddings = self.vision_model.embeddings
        kernel = embeddings.patch_embedding
        uint8 = pixels.dtype == torch.uint8
        frames, size = pixels.shape[1], (pixels.shape[2:4] if uint8 else pixels.shape[3:5])
        if tuple(size) != (embeddings.image_size, embeddings.image_size):
            raise ValueError(
                f"frames are {size[0]} x {size[1]} pixels; expected {embeddings.image_size} x {embeddings.image_size}"
            )
        if pixels.is_cuda:
            scale = _kept_levels(self.pixels, kernel.weight.dtype, pixels.device)
            rows = self._cut(pixels, scale, embeddings.patch_size)
            patches = F.linear(rows, kernel.weight.flatten(1), kernel.bias)
        else:
            if uint8:
                pixels = normalise(pixels, kernel.weight.dtype, self.pixels)
            patches = kernel(rearrange(pixels, "b n c h w -> (b n) c h w").to(kernel.weight.dtype))
            patches = rearrange(patches, "(b n) d h w -> b n (h w) d", n=frames)
        places = image_tower.places(self.vision_model)
        if self.temporal_embedding is not None:
            places = places + rearrange(resample(self.temporal_embedding, frames), "n d -> n 1 d")
        return patches + places


def new_proxies(settings: ModelSettings, *, class_token: bool) -> int:
    """How many proxies are vectors of ours: all but CLIP's class token, where the tower has one."""
    return settings.num_proxies - int(class_token) if settings.pooling == "proxies" else 0


def has_temporal(settings: ModelSettings) -> bool:
    """Whether the patches carry a temporal embedding: as set, else for all but mean pooling."""
    return settings.pooling != "mean" if settings.temporal is None else settings.temporal


def resample(temporal: Float[Tensor, "slots width"], frames: int) -> Float[Tensor, "frames width"]:
    """The temporal embedding stretched linearly over `frames`."""
    if len(temporal) == frames:
        return temporal
    return F.interpolate(temporal.T[None], size=frames, mode="linear", align_corners=False)[0].T


def drop_patches(
    patches: Float[Tensor, "batch frames patches width"], share: float
) -> Float[Tensor, "batch frames kept width"]:
    """`share` of every frame's patches left out, drawn anew at every call; at least one stays."""
    batch, frames, count, _ = patches.shape
    kept = max(1, round(count * (1 - share)))
    chosen = torch.rand(batch, frames, count, device=patches.device).topk(kept, dim=-1).indices
    return patches.gather(2, repeat(chosen, "b n k -> b n k d", d=patches.shape[-1]))
