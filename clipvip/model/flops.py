"""Floating point operations of the matrix products of both towers, by their shapes, as they are computed here.

A product [a, b] x [b, c] counts 2abc. The last layer is computed for the token that is read alone (layers.py), so that
a clip costs a little less than 12 whole layers would. What is computed a second time to save memory does not count.
"""

from typing import Any

from clipvip.model.clip_vip import ClipVip

Count = float | int  # a mean may be no whole number


def of_video(model: ClipVip, frames: int, *, training: bool = False) -> float:
    """Of one clip of so many frames; `training`: with the way back, where pixels need no gradient."""
    config = model.config.vision_config
    count = num_patches(model)
    entering = 2 * frames * count * config.hidden_size * config.num_channels * config.patch_size**2
    tokens, scores, sequences = _attention(model, frames, training)
    last = _read(config, tokens)
    if model.siglip:
        last = _layer(config, tokens, scores) + _head(config, tokens)
    layers = (config.num_hidden_layers - 1) * _layer(config, tokens, scores) + last
    projection = 0 if model.siglip else 2 * config.hidden_size * model.dim
    within = sequences * (layers + projection)
    return float(2 * entering + 3 * within if training else entering + within)


def of_text(model: ClipVip, tokens: Count, *, training: bool = False) -> float:
    """Of one text of so many tokens, or of the mean of several."""
    config = model.config.text_config
    tokens = config.max_position_embeddings if model.siglip else tokens
    layers = (config.num_hidden_layers - 1) * _layer(config, tokens, tokens**2) + _read(config, tokens)
    return float((3 if training else 1) * (layers + 2 * config.hidden_size * model.dim))


def tokens_of_video(model: ClipVip, frames: int, *, training: bool = False) -> int:
    """Tokens of one clip that enter the tower."""
    tokens, _, sequences = _attention(model, frames, training)
    return sequences * tokens


def num_patches(model: ClipVip) -> int:
    """L, patches of a frame."""
    config = model.config.vision_config
    return int((config.image_size // config.patch_size) ** 2)


def _attention(model: ClipVip, frames: int, training: bool) -> tuple[int, int, int]:
    """Tokens of a sequence, pairs of them that meet, and sequences of a clip."""
    settings, patches = model.settings, num_patches(model)
    if training and settings.patch_dropping:
        patches = max(1, round(patches * (1 - settings.patch_dropping)))
    class_token = int(not model.siglip)
    if settings.pooling == "mean":
        return class_token + patches, (class_token + patches) ** 2, frames
    if settings.pooling == "full":
        tokens = class_token + frames * patches
        return tokens, tokens**2, 1
    proxies = settings.num_proxies
    tokens = proxies + frames * patches
    return tokens, proxies * tokens + frames * patches * (proxies + patches), 1


def _layer(config: Any, tokens: Count, scores: Count) -> float:
    width, hidden = config.hidden_size, config.intermediate_size
    return float(8 * tokens * width**2 + 4 * tokens * width * hidden + 4 * scores * width)


def _read(config: Any, tokens: Count) -> float:
    """The last layer for one token: keys and values are looked up among the tokens themselves, head by head."""
    width, hidden, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    return float(8 * width**2 + 2 * width + 4 * heads * tokens * width + 4 * width * hidden)


def _head(config: Any, tokens: Count) -> float:
    """SigLIP's: one learnt query attends to all tokens, then an MLP."""
    width, hidden = config.hidden_size, config.intermediate_size
    return float(4 * width**2 + 4 * tokens * width**2 + 4 * tokens * width + 4 * width * hidden)
