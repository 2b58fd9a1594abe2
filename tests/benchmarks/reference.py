"""The plain way to run the same model, to be faster than: same weights, same maths, nothing spared.

Attention with its weights written out (product, softmax, product), the proxies' keys and values repeated for every
frame, every token through the last layer, three projections, texts padded to 70 tokens under a mask.
"""

from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor

from clipvip.model.clip_vip import ClipVip

TEXT_TOKENS = 70
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def encode_video(model: ClipVip, pixels: Tensor) -> Tensor:
    """[batch, frames, 3, height, width], normalised -> [batch, dim] of length one."""
    tower, settings = model.video.vision_model, model.video.settings
    embeddings, frames = tower.embeddings, pixels.shape[1]
    patches = embeddings.patch_embedding(rearrange(pixels, "b n c h w -> (b n) c h w"))
    patches = rearrange(patches, "(b n) d h w -> b n (h w) d", n=frames)
    patches = patches + embeddings.position_embedding.weight[1:]
    time = model.video.temporal_embedding
    if len(time) != frames:
        time = torch.nn.functional.interpolate(time.T[None], frames, mode="linear", align_corners=False)[0].T
    patches = rearrange(patches + time[:, None], "b n l d -> b (n l) d")
    proxies = embeddings.class_embedding[None]
    if model.video.proxies is not None:
        proxies = torch.cat([proxies, model.video.proxies])
    proxies = repeat(proxies + embeddings.position_embedding.weight[0], "m d -> b m d", b=len(pixels))
    tokens = tower.pre_layrnorm(torch.cat([proxies, patches], dim=1))

    def by_proxies(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return _proxy_attention(query, key, value, proxies.shape[1], frames)

    for layer in tower.encoder.layers:
        tokens = _layer(layer, tokens, _attend if settings.pooling == "full" else by_proxies)
    return _unit(model.video.visual_projection(tower.post_layernorm(tokens[:, 0])))


def encode_text(model: ClipVip, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Texts padded to 70 -> [batch, dim] of length one."""
    tower = model.text_model
    count = input_ids.shape[1]
    places = tower.embeddings.position_embedding.weight[:count]
    tokens = tower.embeddings.token_embedding(input_ids) + places
    hidden = torch.ones(count, count, dtype=torch.bool, device=input_ids.device).triu(1)
    hidden = hidden | (attention_mask[:, None, None, :] == 0)

    def causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return _attend(query, key, value, hidden)

    for layer in tower.encoder.layers:
        tokens = _layer(layer, tokens, causal)
    ends = attention_mask.sum(dim=1) - 1
    read = tower.final_layer_norm(tokens)[torch.arange(len(tokens), device=tokens.device), ends]
    return _unit(model.text_projection(read))


def _attend(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None = None) -> Tensor:
    similar = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if hidden is not None:
        similar = similar.masked_fill(hidden, torch.finfo(similar.dtype).min)
    return similar.softmax(dim=-1) @ value


def _proxy_attention(query: Tensor, key: Tensor, value: Tensor, num_proxies: int, frames: int) -> Tensor:
    def of_frames(tokens: Tensor) -> Tensor:
        shared = repeat(tokens[:, :, :num_proxies], "b h m d -> b h n m d", n=frames)
        own = rearrange(tokens[:, :, num_proxies:], "b h (n l) d -> b h n l d", n=frames)
        return torch.cat([shared, own], dim=3)

    proxies = _attend(query[:, :, :num_proxies], key, value)
    patches = rearrange(query[:, :, num_proxies:], "b h (n l) d -> b h n l d", n=frames)
    patches = _attend(patches, of_frames(key), of_frames(value))
    return torch.cat([proxies, rearrange(patches, "b h n l d -> b h (n l) d")], dim=2)


def _layer(layer: Any, tokens: Tensor, attention: Attention) -> Tensor:
    block, normed = layer.self_attn, layer.layer_norm1(tokens)
    heads = [
        rearrange(projection(normed), "b t (h d) -> b h t d", h=block.num_heads)
        for projection in (block.q_proj, block.k_proj, block.v_proj)
    ]
    tokens = tokens + block.out_proj(rearrange(attention(*heads), "b h t d -> b t (h d)"))
    hidden = layer.mlp.fc1(layer.layer_norm2(tokens))
    return tokens + layer.mlp.fc2(hidden * torch.sigmoid(1.702 * hidden))


def _unit(vectors: Tensor) -> Tensor:
    vectors = vectors if vectors.dtype == torch.float64 else vectors.float()
    return vectors / vectors.norm(dim=-1, keepdim=True)
