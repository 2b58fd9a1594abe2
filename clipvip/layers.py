"""One pre-norm layer of a CLIP tower, computed from transformers' own submodules with any attention.

The weights stay where transformers keeps them; only the order of the arithmetic is ours. Both towers are built
from `run_layer`, and from `read_out`, which computes one token of the last layer and leaves the others out.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from clipvip.attention import attend

# query, key, value, each [batch, heads, tokens, head_dim] -> [batch, heads, tokens, head_dim]
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]

_QUICK_GELU = 1.702  # x * sigmoid(1.702 x), the activation of the published CLIPs


def run_layer(
    layer: Any, tokens: Float[Tensor, "batch tokens width"], attention: Attention
) -> Float[Tensor, "batch tokens width"]:
    """The whole layer: every token attends as `attention` says, then its MLP."""
    block = layer.self_attn
    projected = _linear(layer.layer_norm1(tokens), block.q_proj, block.k_proj, block.v_proj)
    query, key, value = (_heads(part, block.num_heads) for part in projected.chunk(3, dim=-1))
    attended = rearrange(attention(query, key, value), "b h t d -> b t (h d)")
    tokens = tokens + block.out_proj(attended)
    return tokens + _mlp(layer.mlp, layer.layer_norm2(tokens))


def read_out(
    layer: Any,
    tokens: Float[Tensor, "batch tokens width"],
    position: Tensor | None = None,
    visible: Bool[Tensor, "batch tokens"] | None = None,
) -> Float[Tensor, "batch width"]:
    """The same layer for the one token that is read (index `position` [batch], or 0): the others only give keys
    and values. `visible` says which tokens it attends to; None is all."""
    block = layer.self_attn
    normed = layer.layer_norm1(tokens)
    if position is None:
        own, query_from = tokens[:, :1], normed[:, :1]
    else:
        rows = torch.arange(len(tokens), device=tokens.device)
        own, query_from = tokens[rows, position][:, None], normed[rows, position][:, None]
    key, value = (
        _heads(part, block.num_heads) for part in _linear(normed, block.k_proj, block.v_proj).chunk(2, dim=-1)
    )
    query = _heads(block.q_proj(query_from), block.num_heads)
    mask = None if visible is None else visible[:, None, None]
    attended = attend(query, key, value, mask)
    own = own + block.out_proj(rearrange(attended, "b h t d -> b t (h d)"))
    read: Tensor = own + _mlp(layer.mlp, layer.layer_norm2(own))
    return read[:, 0]


def _heads(tokens: Tensor, num_heads: int) -> Tensor:
    return rearrange(tokens, "b t (h d) -> b h t d", h=num_heads)


def _linear(tokens: Tensor, *projections: Any) -> Tensor:
    """Several projections of the same tokens as one matrix product, side by side in the last dimension."""
    weight = torch.cat([projection.weight for projection in projections])
    return F.linear(tokens, weight, torch.cat([projection.bias for projection in projections]))


def _mlp(mlp: Any, tokens: Tensor) -> Tensor:
    """x * sigmoid(a x) is silu(a x) / a; `a` moves into the weights, which leaves one pass over the hidden layer."""
    if mlp.config.hidden_act != "quick_gelu":
        return mlp(tokens)  # type: ignore[no-any-return]
    hidden = F.silu(F.linear(tokens, mlp.fc1.weight * _QUICK_GELU, mlp.fc1.bias * _QUICK_GELU))
    return F.linear(hidden, mlp.fc2.weight / _QUICK_GELU, mlp.fc2.bias)
