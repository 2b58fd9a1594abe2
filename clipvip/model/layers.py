"""One pre-norm layer of a CLIP tower, computed from transformers' own submodules with any attention.

The weights stay where transformers keeps them; only the order of the arithmetic is ours. Both towers are built
from `run_layer`, and from `read_out`, which computes the last layer for the tokens that are read alone.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from clipvip.model.attention import look_up

# query, key, value, each [batch, heads, tokens, head_dim] -> [batch, heads, tokens, head_dim]
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
# query [batch, heads, read, width], offset [batch, heads, read, 1], tokens [batch, tokens, width] -> as the query
Look = Callable[[Tensor, Tensor, Tensor], Tensor]

_FIRST = slice(0, 1)
_QUICK_GELU = 1.702  # x * sigmoid(1.702 x), the activation of the published CLIPs


def run_layer(
    layer: Any,
    tokens: Float[Tensor, "batch tokens width"],
    attention: Attention,
    frames: tuple[int, int] | None = None,
) -> Float[Tensor, "batch tokens width"]:
    """The whole layer: every token attends as `attention` says, then its MLP.

    `frames`: numbers of proxies and of frames, where a GPU's kernel does the same (`frame_kernels`).
    """
    block, normed = layer.self_attn, converted(layer.layer_norm1(tokens))
    projections = (block.q_proj, block.k_proj, block.v_proj)
    together = normed.is_cuda or frames is not None
    if together:  # one product for all three
        weight, bias = (torch.cat([getattr(part, name) for part in projections]) for name in ("weight", "bias"))
        packed = F.linear(normed, weight, bias)
    if frames is not None:
        attended = torch.ops.clipvip.frame_attention(packed, block.num_heads, *frames)[0]
    else:
        parts = packed.chunk(3, dim=-1) if together else tuple(part(normed) for part in projections)
        query, key, value = (heads(part, block.num_heads) for part in parts)
        attended = rearrange(attention(query, key, value), "b h t d -> b t (h d)")
    tokens = tokens + block.out_proj(attended)
    return _mlp(layer, tokens)


def read_out(
    layer: Any,
    tokens: Float[Tensor, "batch tokens width"],
    read: Int[Tensor, " read"] | slice = _FIRST,
    look: Look = look_up,
) -> Float[Tensor, "batch read width"]:
    """The same layer for the tokens that are read (the first of each sequence unless said).

    No key and no value is computed: q . (K x + k) = (K' q) . x + q . k, and weights that sum to 1 mix V x + v to
    V (mix of x) + v. So the few queries and mixtures meet K and V, not all tokens.
    """
    block, normed = layer.self_attn, converted(layer.layer_norm1(tokens))
    query = heads(block.q_proj(normed[:, read]), block.num_heads)
    query = query * query.shape[-1] ** -0.5
    key, value = (
        rearrange(part.weight, "(h d) w -> h d w", h=block.num_heads) for part in (block.k_proj, block.v_proj)
    )
    bias = rearrange(block.k_proj.bias, "(h d) -> h d 1", h=block.num_heads)
    mixed = look(torch.einsum("bhrd,hdw->bhrw", query, key), torch.einsum("bhrd,hdo->bhro", query, bias), normed)
    attended = rearrange(torch.einsum("bhrw,hdw->bhrd", mixed, value), "b h r d -> b r (h d)") + block.v_proj.bias
    return _mlp(layer, tokens[:, read] + block.out_proj(attended))


def heads(
    tokens: Float[Tensor, "batch tokens width"], num_heads: int
) -> Float[Tensor, "batch {num_heads} tokens head_dim"]:
    """The width cut into heads."""
    return rearrange(tokens, "b t (h d) -> b h t d", h=num_heads)


def converted(tokens: Tensor) -> Tensor:
    """In the format that autocast would give them in a product."""
    kind = tokens.device.type
    return tokens.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tokens


def _mlp(layer: Any, tokens: Tensor) -> Tensor:
    """The second half of a layer. x * sigmoid(a x) is silu(a x) / a: the norm before it multiplies by `a`, the sum
    behind it divides, so that one pass over the hidden layer is enough. The weights stay as they are: autocast then
    converts them once for all calls of a step."""
    norm, mlp = layer.layer_norm2, layer.mlp
    if mlp.config.hidden_act != "quick_gelu":
        return tokens + mlp(norm(tokens))  # type: ignore[no-any-return]
    normed = F.layer_norm(tokens, norm.normalized_shape, norm.weight * _QUICK_GELU, norm.bias * _QUICK_GELU, norm.eps)
    hidden = F.silu(F.linear(normed, mlp.fc1.weight, mlp.fc1.bias * _QUICK_GELU))
    mixed = F.linear(hidden, mlp.fc2.weight, mlp.fc2.bias * _QUICK_GELU)
    return torch.add(tokens, mixed, alpha=1 / _QUICK_GELU)
