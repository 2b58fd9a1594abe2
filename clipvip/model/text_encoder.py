"""CLIP's text tower, unchanged in what it computes, spared what nobody reads (paper section 3.2).

Attention is causal and the end-of-text token is the one that is read, so whatever stands behind it cannot matter:
padding needs no mask, and the last layer is computed for one token a text. Texts lie one behind the other, so that
a layer's products meet them all at once; only attention looks at them group by group, each padded to one length.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from clipvip.model.attention import attend, look_up
from clipvip.model.layers import read_out, run_layer


def text_features(
    text_model: Any, input_ids: Int[Tensor, "batch tokens"], attention_mask: Int[Tensor, "batch tokens"] | None = None
) -> Float[Tensor, "batch width"]:
    """transformers' `CLIPTextModel(input_ids, attention_mask).pooler_output` for texts padded on the right.

    On a CPU the texts are grouped by length; elsewhere they are one group, since looking at lengths would stall
    the device. Raises ValueError (CPU) for a text without end-of-text token or with padding before it.
    """
    eos = text_model.config.eos_token_id
    old = eos == 2 and text_model.config.model_type == "clip_text_model"
    ends = _ends(input_ids, eos, old)
    if input_ids.is_cuda or input_ids.device.type == "mps":
        return _run(text_model, _Lines([input_ids], [ends]))
    _check(input_ids, attention_mask, ends, None if old else eos)
    order = ends.argsort(stable=True)
    sizes = _group_sizes(ends[order] + 1, text_model.config.hidden_size)
    rows, last = torch.split(order, sizes), torch.split(ends[order], sizes)
    ids = [input_ids[chosen, : int(end[-1]) + 1] for chosen, end in zip(rows, last, strict=True)]
    return _run(text_model, _Lines(ids, list(last)))[order.argsort()]


def padded_text_features(
    text_model: Any, input_ids: Int[Tensor, "batch tokens"], attention_mask: Int[Tensor, "batch tokens"] | None = None
) -> Float[Tensor, "batch dim"]:
    """SigLIP's text tower: no causal mask, padded to all its places, the last of which is read."""
    slots, pad = text_model.config.max_position_embeddings, text_model.config.pad_token_id
    if input_ids.shape[1] > slots:
        raise ValueError(f"a text has {input_ids.shape[1]} tokens, this model reads {slots}: set max_tokens to that")
    if attention_mask is not None:
        input_ids = input_ids.masked_fill(attention_mask == 0, pad)
    ids = F.pad(input_ids, (0, slots - input_ids.shape[1]), value=pad)
    tokens, layers = text_model.embeddings(ids), text_model.encoder.layers
    for layer in layers[:-1]:
        tokens = run_layer(layer, tokens, attend)
    last = read_out(layers[-1], tokens, slice(slots - 1, slots))
    return text_model.head(text_model.final_layer_norm(last[:, 0]))  # type: ignore[no-any-return]


def _ends(input_ids: Tensor, eos: int, old: bool) -> Tensor:
    """Index of the first end-of-text token; CLIP's id 2 marks `old` configurations, where it is the highest id."""
    return input_ids.argmax(dim=-1) if old else (input_ids == eos).int().argmax(dim=-1)


def _check(input_ids: Tensor, attention_mask: Tensor | None, ends: Tensor, eos: int | None) -> None:
    rows = torch.arange(len(input_ids))
    if eos is not None and not bool((found := input_ids[rows, ends] == eos).all()):
        raise ValueError(f"text {int((~found).nonzero()[0])} of the batch has no end-of-text token (id {eos})")
    if attention_mask is None:
        return
    seen = attention_mask.cumsum(dim=1)[rows, ends] == ends + 1
    if not bool(seen.all()):
        raise ValueError(f"text {int((~seen).nonzero()[0])} of the batch is masked before its end; pad on the right")


def _group_sizes(lengths: Tensor, width: int) -> list[int]:
    """Cuts ascending `lengths` where that saves more padding than attention to one more group costs."""
    price = 4 + 400_000 // width**2  # in tokens; measured on a CPU
    before = torch.arange(len(lengths))
    saved = before * (lengths[-1] - lengths.roll(1))
    cut = int(saved.argmax())
    if saved[cut] <= price:
        return [len(lengths)]
    return [*_group_sizes(lengths[:cut], width), *_group_sizes(lengths[cut:], width)]


@dataclass(frozen=True)
class _Lines:
    """Texts in groups of one length, laid out as one line of tokens: [1, all texts' tokens, width].

    `ids` are the groups, each [texts, tokens]; `ends` the index of every text's last token, each [texts].
    """

    ids: list[Tensor]
    ends: list[Tensor]

    @property
    def read(self) -> Int[Tensor, " all_texts"]:
        """Where on the line the end-of-text tokens are."""
        found, start = [], 0
        for ids, ends in zip(self.ids, self.ends, strict=True):
            found.append(start + torch.arange(0, ids.numel(), ids.shape[1], device=ids.device) + ends)
            start += ids.numel()
        return torch.cat(found)

    def embed(self, embeddings: Any) -> Float[Tensor, "1 all_tokens width"]:
        """Tokens with their places."""
        slots = embeddings.position_embedding.weight
        if (count := max(ids.shape[1] for ids in self.ids)) > len(slots):
            raise ValueError(
                f"a text has {count} tokens; this model reads {len(slots)}: set max_tokens to {len(slots)}"
            )
        line = torch.cat([ids.flatten() for ids in self.ids])
        places = torch.cat([torch.arange(ids.shape[1], device=ids.device).repeat(len(ids)) for ids in self.ids])
        return (embeddings.token_embedding(line) + F.embedding(places, slots))[None]  # type: ignore[no-any-return]

    def causal(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Every token attends to those before it in its text: [1, heads, all tokens, head_dim] of all three."""
        parts = zip(self._cut(query), self._cut(key), self._cut(value), strict=True)
        return _line([_causal(*part) for part in parts])

    def ending(self, query: Tensor, offset: Tensor, tokens: Tensor) -> Float[Tensor, "1 heads all_texts width"]:
        """What the end-of-text tokens see of their texts: `query` [1, heads, all texts, width], `offset` likewise."""
        counts = [len(ids) for ids in self.ids]
        queries, offsets = (torch.split(part[0].transpose(0, 1), counts) for part in (query, offset))
        lines = torch.split(tokens[0], [ids.numel() for ids in self.ids])
        found = []
        for part, shift, line, ends in zip(queries, offsets, lines, self.ends, strict=True):
            own = rearrange(line, "(b t) w -> b t w", b=len(ends))
            visible = torch.arange(own.shape[1], device=ends.device) <= ends[:, None]
            found.append(look_up(part[:, :, None], shift[:, :, None], own, visible))
        return rearrange(torch.cat(found), "b h 1 w -> 1 h b w")

    def _cut(self, tokens: Tensor) -> list[Tensor]:
        """Group by group: [texts, heads, tokens, head_dim]."""
        parts = torch.split(rearrange(tokens, "1 h t d -> t h d"), [ids.numel() for ids in self.ids])
        return [rearrange(t, "(b t) h d -> b h t d", b=len(ids)) for t, ids in zip(parts, self.ids, strict=True)]


def _line(parts: list[Tensor]) -> Float[Tensor, "1 heads all_tokens head_dim"]:
    """Groups [texts, heads, tokens, head_dim] one behind the other; heads inside, as the output projection wants."""
    return rearrange(torch.cat([rearrange(part, "b h t d -> (b t) h d") for part in parts]), "t h d -> 1 h t d")


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    if query.is_cuda or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    count = query.shape[2]
    return attend(query, key, value, torch.ones(1, 1, count, count, dtype=torch.bool, device=query.device).tril())


def _run(text_model: Any, lines: _Lines) -> Float[Tensor, "all_texts width"]:
    """All texts through the tower."""
    tokens, layers = lines.embed(text_model.embeddings), text_model.encoder.layers
    for layer in layers[:-1]:
        tokens = run_layer(layer, tokens, lines.causal)
    return text_model.final_layer_norm(read_out(layers[-1], tokens, lines.read, lines.ending))[0]  # type: ignore[no-any-return]
