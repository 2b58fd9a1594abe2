"""Where the proxies look: attention of the video proxies over frames and patches (paper section 3.2), as it is in the
model, for a few clips.
"""

from functools import partial
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from clipvip.model import image_tower
from clipvip.model.layers import heads, run_layer
from clipvip.model.video_encoder import VideoEncoder


def attention_weights(
    layer: Any, tokens: Float[Tensor, "batch tokens width"], num_queries: int
) -> Float[Tensor, "batch heads queries tokens"]:
    """softmax(q k / sqrt d) with which the first `num_queries` tokens of a layer's input attend to all of it."""
    block = layer.self_attn
    normed = layer.layer_norm1(tokens)
    query = heads(block.q_proj(normed[:, :num_queries]), block.num_heads)
    key = heads(block.k_proj(normed), block.num_heads)
    return (query @ key.mT * query.shape[-1] ** -0.5).softmax(dim=-1)  # type: ignore[no-any-return]


@torch.inference_mode()
def proxies_over_patches(
    encoder: VideoEncoder, pixels: Tensor
) -> tuple[Float[Tensor, "batch proxies frames rows columns"], Float[Tensor, "batch frames rows columns"]]:
    """Mean over heads: all proxies in the last layer but one, and the first proxy in the last, which is read out.

    What is missing to 1 is attention to the proxies themselves. In the last layer the others are not computed. With a
    single layer both are of it. Where a head reads all tokens (SigLIP), its query is shown in place of the first proxy.
    ValueError for a model without proxies.
    """
    if encoder.settings.pooling != "proxies":
        raise ValueError(f"a model of pooling {encoder.settings.pooling!r} has no proxies to look at")
    tokens, attention = encoder.tokens(pixels)
    layers, count = list(encoder.vision_model.encoder.layers), encoder.settings.num_proxies
    for layer in layers[:-2]:
        tokens = run_layer(layer, tokens, attention)
    all_proxies = attention_weights(layers[-2:][0], tokens, count)
    if len(layers) > 1:
        tokens = run_layer(layers[-2], tokens, attention)
    if image_tower.has_class_token(encoder.vision_model):
        read = attention_weights(layers[-1], tokens, 1).mean(dim=1)
    else:
        read = image_tower.head_weights(encoder.vision_model, tokens, attention)[:, None]
    side = round(((tokens.shape[1] - count) / pixels.shape[1]) ** 0.5)
    place = partial(
        rearrange, pattern="b m (n r c) -> b m n r c", n=pixels.shape[1], r=side, c=side
    )  # frame after frame, row after row
    return place(all_proxies.mean(dim=1)[..., count:]), place(read[..., count:])[:, 0]
