"""Proxy attention: every proxy sees the whole video, a patch sees the proxies and its own frame (paper section 3.2)."""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor

BLOCK = 64  # tokens of a frame and its proxies that the kernel for a GPU takes at a time
MOST_BLOCKS = 4  # that it was compiled for


def attend(
    query: Float[Tensor, "batch heads queries head_dim"],
    key: Float[Tensor, "batch heads keys head_dim"],
    value: Float[Tensor, "batch heads keys head_dim"],
    visible: Bool[Tensor, "#batch #heads #queries keys"] | None = None,
) -> Float[Tensor, "batch heads queries head_dim"]:
    """Scaled dot product attention to the keys that are `visible` (None: all), by the quickest exact way.

    That is torch's fused kernel, save for bf16 on a CPU, where it took several times as long as the plain products.
    """
    if query.is_cuda or query.dtype != torch.bfloat16:
        fused: Tensor = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return fused
    written: Tensor = WrittenOut.apply(query, key, value, visible)  # type: ignore[no-untyped-call]
    return written


class WrittenOut(torch.autograd.Function):
    """Product, softmax, product. By hand, because autograd would return the keys' gradient transposed, and summing
    and copying that takes a quarter of the time."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        similar = (query * query.shape[-1] ** -0.5) @ key.mT
        weights = (similar if visible is None else similar.masked_fill(~visible, -torch.inf)).softmax(dim=-1)
        ctx.save_for_backward(query, key, value, weights)
        mixed: Tensor = weights @ value
        return mixed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, weights = ctx.saved_tensors
        mixed = gradients[0].contiguous()
        similar = torch._softmax_backward_data(mixed @ value.mT, weights, -1, weights.dtype)
        similar = similar * query.shape[-1] ** -0.5
        return similar @ key, similar.mT @ query, weights.mT @ mixed, None


def look_up(
    query: Float[Tensor, "batch heads read width"],
    offset: Float[Tensor, "batch heads read 1"],
    tokens: Float[Tensor, "batch tokens width"],
    visible: Bool[Tensor, "batch tokens"] | None = None,
) -> Float[Tensor, "batch heads read width"]:
    """Mixtures of the tokens themselves, by the softmax of query . token + offset over those that are `visible`."""
    similar = torch.einsum("bhrw,btw->bhrt", query, tokens) + offset
    if visible is not None:
        similar = similar.masked_fill(~visible[:, None, None], -torch.inf)
    return torch.einsum("bhrt,btw->bhrw", similar.softmax(dim=-1), tokens)


def proxy_attention(
    query: Float[Tensor, "batch heads tokens head_dim"],
    key: Float[Tensor, "batch heads tokens head_dim"],
    value: Float[Tensor, "batch heads tokens head_dim"],
    *,
    num_proxies: int,
    num_frames: int,
) -> Float[Tensor, "batch heads tokens head_dim"]:
    """Attention over [M proxies, N * L patches], frame after frame, without a mask and at a cost that grows as N.

    The first call lets the M proxies attend to all tokens. The second folds the frames into the batch, so that
    a patch meets the M proxies and the L patches of its own frame and nothing else exists for it.

    Raises ValueError where the tokens are not M + N * L.
    """
    if num_proxies < 1 or num_frames < 1 or (query.shape[2] - num_proxies) % num_frames:
        raise ValueError(f"{query.shape[2]} tokens are not {num_proxies} proxies and {num_frames} frames of patches")
    # cut with the heads inside, as the projections write and read them: fewer copies
    inner = [rearrange(part, "b h t d -> b t h d") for part in (query, key, value)]
    sizes = [num_proxies, query.shape[2] - num_proxies]
    proxy_query, patch_query = torch.split(inner[0], sizes, dim=1)
    proxies = attend(rearrange(proxy_query, "b m h d -> b h m d"), key, value)

    def of_frames(tokens: Tensor) -> Tensor:
        shared, own = torch.split(tokens, sizes, dim=1)
        shared = repeat(shared, "b m h d -> b n h m d", n=num_frames)  # a view: the copy below is the only one
        own = rearrange(own, "b (n l) h d -> b n h l d", n=num_frames)
        return rearrange(torch.cat([shared, own], dim=3), "b n h t d -> (b n) h t d")

    patch_query = rearrange(patch_query, "b (n l) h d -> (b n) h l d", n=num_frames)
    patches = attend(patch_query, of_frames(inner[1]), of_frames(inner[2]))
    patches = rearrange(patches, "(b n) h l d -> b (n l) h d", n=num_frames)
    return rearrange(torch.cat([rearrange(proxies, "b h m d -> b m h d"), patches], dim=1), "b t h d -> b h t d")
