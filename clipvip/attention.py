"""Proxy attention: every proxy sees the whole video, a patch sees the proxies and its own frame (paper section 3.2)."""

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor


def attend(
    query: Float[Tensor, "batch heads queries head_dim"],
    key: Float[Tensor, "batch heads keys head_dim"],
    value: Float[Tensor, "batch heads keys head_dim"],
    visible: Bool[Tensor, "#batch #heads #queries keys"] | None = None,
) -> Float[Tensor, "batch heads queries head_dim"]:
    """Scaled dot product attention to the keys that are `visible` (None: all), by the quickest exact way.

    That is torch's fused kernel, save for bf16 on a CPU, where it took three times as long as the plain products.
    """
    if query.is_cuda or query.dtype != torch.bfloat16:
        fused: Tensor = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return fused
    similar = (query * query.shape[-1] ** -0.5) @ rearrange(key, "b h k d -> b h d k")
    if visible is not None:
        similar = similar.masked_fill(~visible, -torch.inf)
    mixed: Tensor = similar.softmax(dim=-1) @ value
    return mixed


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
    sizes = [num_proxies, query.shape[2] - num_proxies]
    proxy_query, patch_query = torch.split(query, sizes, dim=2)
    proxies = attend(proxy_query, key, value)

    def of_frames(tokens: Tensor) -> Tensor:
        shared, own = torch.split(tokens, sizes, dim=2)
        shared = repeat(shared, "b h m d -> b n h m d", n=num_frames)  # a view: the copy below is the only one
        own = rearrange(own, "b h (n l) d -> b n h l d", n=num_frames)
        return rearrange(torch.cat([shared, own], dim=3), "b n h t d -> (b n) h t d")

    patch_query = rearrange(patch_query, "b h (n l) d -> (b n) h l d", n=num_frames)
    patches = attend(patch_query, of_frames(key), of_frames(value))
    # joined with the heads inside, as the output projection reads them
    patches = rearrange(patches, "(b n) h l d -> b (n l) h d", n=num_frames)
    return rearrange(torch.cat([rearrange(proxies, "b h m d -> b m h d"), patches], dim=1), "b t h d -> b h t d")
