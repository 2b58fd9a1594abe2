"""CLIP's text tower, unchanged in what it computes, spared what nobody reads (paper section 3.2).

Attention is causal and the end-of-text token is the one that is read, so whatever stands behind it cannot matter:
padding needs no mask, texts of like length share a padded batch, and the last layer is computed for one token a text.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from clipvip.attention import attend
from clipvip.layers import read_out, run_layer


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    if query.is_cuda or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    count = query.shape[2]
    return attend(query, key, value, torch.ones(1, 1, count, count, dtype=torch.bool, device=query.device).tril())


def text_features(
    text_model: Any, input_ids: Int[Tensor, "batch tokens"], attention_mask: Int[Tensor, "batch tokens"] | None = None
) -> Float[Tensor, "batch width"]:
    """transformers' `CLIPTextModel(input_ids, attention_mask).pooler_output` for texts padded on the right.

    On a CPU the texts run in groups of like length; elsewhere as one batch, since looking at lengths would stall
    the device. Raises ValueError (CPU) for a text without end-of-text token or with padding before it.
    """
    ends = _ends(input_ids, text_model.config.eos_token_id)
    tokens = _embed(text_model.embeddings, input_ids)
    if input_ids.is_cuda or input_ids.device.type == "mps":
        return _run(text_model, tokens, ends)
    _check(input_ids, attention_mask, ends, text_model.config.eos_token_id)
    order = ends.argsort(stable=True)
    groups = torch.split(order, _group_sizes(ends[order] + 1, text_model.config.hidden_size))
    parts = [_run(text_model, tokens[rows, : int(ends[rows[-1]]) + 1], ends[rows]) for rows in groups]
    return torch.cat(parts)[order.argsort()]


def _ends(input_ids: Tensor, eos: int) -> Tensor:
    """Index of the first end-of-text token; the id 2 marks old configurations, where it is the highest id."""
    return input_ids.argmax(dim=-1) if eos == 2 else (input_ids == eos).int().argmax(dim=-1)


def _check(input_ids: Tensor, attention_mask: Tensor | None, ends: Tensor, eos: int) -> None:
    rows = torch.arange(len(input_ids))
    if eos != 2 and not bool((found := input_ids[rows, ends] == eos).all()):
        raise ValueError(f"text {int((~found).nonzero()[0])} of the batch has no end-of-text token (id {eos})")
    if attention_mask is None:
        return
    seen = attention_mask.cumsum(dim=1)[rows, ends] == ends + 1
    if not bool(seen.all()):
        raise ValueError(f"text {int((~seen).nonzero()[0])} of the batch is masked before its end; pad on the right")


def _group_sizes(lengths: Tensor, width: int) -> list[int]:
    """Cuts ascending `lengths` where that saves more padding than a further pass through the layers costs."""
    price = 32 + 400_000 // width**2  # of a pass, in tokens; measured on a CPU
    before = torch.arange(len(lengths))
    saved = before * (lengths[-1] - lengths.roll(1))
    cut = int(saved.argmax())
    if saved[cut] <= price:
        return [len(lengths)]
    return [*_group_sizes(lengths[:cut], width), *_group_sizes(lengths[cut:], width)]


def _embed(embeddings: Any, input_ids: Tensor) -> Tensor:
    """Tokens with their places. All texts at once: its gradient is as large as the vocabulary."""
    count, slots = input_ids.shape[1], embeddings.position_embedding.weight
    if count > len(slots):
        raise ValueError(f"a text has {count} tokens; this model reads {len(slots)}: truncate in the tokenizer")
    return embeddings.token_embedding(input_ids) + slots[:count]  # type: ignore[no-any-return]


def _run(text_model: Any, tokens: Tensor, ends: Tensor) -> Tensor:
    """One padded batch through the tower."""
    layers = text_model.encoder.layers
    for layer in layers[:-1]:
        tokens = run_layer(layer, tokens, _causal)
    visible = torch.arange(tokens.shape[1], device=ends.device) <= ends[:, None]
    return text_model.final_layer_norm(read_out(layers[-1], tokens, ends, visible))  # type: ignore[no-any-return]
