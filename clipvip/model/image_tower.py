"""What differs between the image towers that become video encoders: the class token, and how the tower is read out.

CLIP (also MetaCLIP, and OpenCLIP in transformers' format) puts a class token before the patches and reads it. SigLIP
has none: a head of its own reads all tokens by the attention of one learnt query. There the proxies are all new, and
the head reads proxies and patches alike (paper section 3.2 knows CLIP only).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from clipvip.model.layers import Attention, read_out, run_layer


def has_class_token(vision_model: Any) -> bool:
    """Whether the tower has a class token; if not, a head reads all tokens."""
    return hasattr(vision_model.embeddings, "class_embedding")


def class_token(vision_model: Any) -> Float[Tensor, "rows width"]:
    """The class token without its place: one row, or none."""
    if has_class_token(vision_model):
        return vision_model.embeddings.class_embedding[None]  # type: ignore[no-any-return]
    return vision_model.embeddings.position_embedding.weight[:0]  # type: ignore[no-any-return]


def place_of_proxies(vision_model: Any) -> Float[Tensor, " width"] | float:
    """CLIP's place 0, that of the class token; nothing where there is no such place."""
    weight: Tensor = vision_model.embeddings.position_embedding.weight
    return weight[0] if has_class_token(vision_model) else 0.0


def places(vision_model: Any) -> Float[Tensor, "patches width"]:
    """The places of a frame's patches."""
    weight: Tensor = vision_model.embeddings.position_embedding.weight
    return weight[1:] if has_class_token(vision_model) else weight


def enter(vision_model: Any, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
    """What the first layer reads: CLIP normalises its tokens, SigLIP does not."""
    return vision_model.pre_layrnorm(tokens) if has_class_token(vision_model) else tokens


def read(
    vision_model: Any, tokens: Float[Tensor, "batch tokens width"], attention: Attention
) -> Float[Tensor, "batch width"]:
    """The last layer and the read-out: of the first token, or by the tower's head of all."""
    last = vision_model.encoder.layers[-1]
    if has_class_token(vision_model):
        return vision_model.post_layernorm(read_out(last, tokens)[:, 0])  # type: ignore[no-any-return]
    whole = vision_model.post_layernorm(run_layer(last, tokens, attention))
    return vision_model.head(whole)  # type: ignore[no-any-return]


@torch.no_grad()
def head_weights(
    vision_model: Any, tokens: Float[Tensor, "batch tokens width"], attention: Attention
) -> Float[Tensor, "batch tokens"]:
    """With which weights the head of a tower without class token reads what leaves the last layer, mean over heads."""
    whole = vision_model.post_layernorm(run_layer(vision_model.encoder.layers[-1], tokens, attention))
    query = vision_model.head.probe.expand(len(tokens), -1, -1)
    weights: Tensor = vision_model.head.attention(query, whole, whole, need_weights=True)[1]
    return weights[:, 0]
