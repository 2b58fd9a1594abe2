"""Floating point operations of CLIP-ViP, from the shapes of its towers: a product of [a, b] and [b, c] is 2 a b c.

Matrix products only, counted as they are computed here: the last layer for the tokens that are read, proxies without a
mask, causal attention in full. Element by element work and the loss (under 1 % at 1,024 clips) are left out.
"""

from collections.abc import Iterable
from typing import Any

from clipvip.config.learning import ModelSettings

Count = float | int  # a mean of texts need be no whole number


def video_flops(config: Any, settings: ModelSettings, num_frames: int, dropping: float = 0.0) -> int:
    """Forward pass of one video [FLOP] (an image is a video of one frame); `dropping`: share of patches left out.

    `config` is the transformers configuration of the CLIP or SigLIP around which the model is built (`ClipVip.config`);
    all patches are embedded, whatever is dropped.
    """
    entering = num_frames * _patches(config) * _patch_flops(config.vision_config)
    tokens, pairs, sequences = _sequences(config, settings, num_frames, dropping)
    return int(entering + sequences * _vision_flops(config, tokens, pairs))


def video_tokens(config: Any, settings: ModelSettings, num_frames: int, dropping: float = 0.0) -> int:
    """Tokens of one video that go through the layers."""
    tokens, _, sequences = _sequences(config, settings, num_frames, dropping)
    return tokens * sequences


def text_flops(config: Any, tokens: Count) -> int:
    """Forward pass of one text [FLOP] of so many tokens, padding included; SigLIP pads to all its places itself."""
    text = config.text_config
    if config.model_type == "siglip":
        tokens = text.max_position_embeddings
    through = (text.num_hidden_layers - 1) * _layer_flops(text, tokens, tokens**2) + _read_out_flops(text, tokens)
    return int(through + 2 * text.hidden_size * _shared_dim(config))


def training_flops(config: Any, settings: ModelSettings, frames: Iterable[int], texts: Iterable[Count]) -> int:
    """Forward and backward pass of one clip [FLOP]: what learning needs, without anything that is computed again.

    `frames`: the frames of each video a clip has, (12, 1) with its middle frame; `texts`: the tokens of each of its
    texts. Backward is twice forward, save that no gradient goes to the pixels; `settings.patch_dropping` applies. A
    gradient cache (`run.micro_batch`) or `run.recompute` adds a forward pass each.
    """
    frames = tuple(frames)
    videos = sum(video_flops(config, settings, count, settings.patch_dropping) for count in frames)
    forward = videos + sum(text_flops(config, tokens) for tokens in texts)
    return int(3 * forward - sum(frames) * _patches(config) * _patch_flops(config.vision_config))


def forward_flops(config: Any, settings: ModelSettings, frames: Iterable[int], texts: Iterable[Count]) -> int:
    """Forward pass of one clip [FLOP]; `frames` and `texts` as for `training_flops`."""
    videos = sum(video_flops(config, settings, count) for count in frames)
    return videos + sum(text_flops(config, tokens) for tokens in texts)


def _patches(config: Any) -> int:
    """L, patches of a frame."""
    return int((config.vision_config.image_size // config.vision_config.patch_size) ** 2)


def _sequences(config: Any, settings: ModelSettings, num_frames: int, dropping: float) -> tuple[int, int, int]:
    """Tokens of a sequence, pairs of them that meet in a layer, and sequences of a video."""
    patches, class_token = _patches(config), int(config.model_type != "siglip")
    if dropping:
        patches = max(1, round(patches * (1 - dropping)))
    if settings.pooling == "mean":
        return class_token + patches, (class_token + patches) ** 2, num_frames
    proxies = settings.num_proxies if settings.pooling == "proxies" else class_token
    tokens = proxies + num_frames * patches
    if settings.pooling == "full":
        return tokens, tokens**2, 1
    return tokens, proxies * tokens + num_frames * patches * (proxies + patches), 1


def _patch_flops(vision: Any) -> int:
    return int(2 * vision.num_channels * vision.patch_size**2 * vision.hidden_size)


def _vision_flops(config: Any, tokens: Count, pairs: Count) -> int:
    """The layers and the read-out of one sequence; `pairs` are how often a token looks at a token in a layer."""
    vision = config.vision_config
    whole = _layer_flops(vision, tokens, pairs)
    if config.model_type != "siglip":
        last = _read_out_flops(vision, tokens) + 2 * vision.hidden_size * config.projection_dim
        return int((vision.num_hidden_layers - 1) * whole + last)
    return int(vision.num_hidden_layers * whole + _head_flops(vision, tokens))


def _layer_flops(tower: Any, tokens: Count, pairs: Count) -> int:
    """Four projections and the MLP for every token, scores and mixture for every pair."""
    return int(tokens * (8 * tower.hidden_size**2 + _mlp_flops(tower)) + 4 * pairs * tower.hidden_size)


def _read_out_flops(tower: Any, tokens: Count) -> int:
    """The last layer for one token: the query meets the tokens in every head, keys and values are folded into it."""
    scores = 2 * tower.hidden_size + 4 * tower.num_attention_heads * tokens * tower.hidden_size
    return int(8 * tower.hidden_size**2 + scores + _mlp_flops(tower))


def _head_flops(tower: Any, tokens: Count) -> int:
    """SigLIP's head: one learnt query looks at all tokens, then an MLP."""
    return int((4 + 4 * tokens) * tower.hidden_size**2 + 4 * tokens * tower.hidden_size + _mlp_flops(tower))


def _mlp_flops(tower: Any) -> int:
    return int(4 * tower.hidden_size * tower.intermediate_size)


def _shared_dim(config: Any) -> int:
    """Size of the shared embedding."""
    return int(config.text_config.projection_size if config.model_type == "siglip" else config.projection_dim)
