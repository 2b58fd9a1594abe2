"""Attention of the proxies against transformers' own weights, and against what the model mixes with them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPModel

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings
from clipvip.data.clips import open_clips
from clipvip.evaluation import attention_examples
from clipvip.model.attention import proxy_attention
from clipvip.model.attention_maps import attention_weights, proxies_over_patches
from clipvip.model.clip_vip import ClipVip
from clipvip.model.layers import heads, run_layer
from clipvip.model.video_encoder import normalise


def model(folder: Path, **settings: object) -> ClipVip:
    return ClipVip.from_pretrained(folder, ModelSettings(**settings), seed=1).eval()  # type: ignore[arg-type]


def clips(model: ClipVip, batch: int, frames: int) -> torch.Tensor:
    side = model.config.vision_config.image_size
    return torch.randint(0, 256, (batch, frames, side, side, 3), dtype=torch.uint8)


@torch.inference_mode()
def test_one_proxy_on_one_frame_looks_as_the_class_token_does(tiny_clip_folder: Path) -> None:
    """transformers' eager attention writes its weights out."""
    own = model(tiny_clip_folder, num_proxies=1, num_frames=1)
    pixels = clips(own, 3, 1)
    clip = CLIPModel.from_pretrained(tiny_clip_folder, attn_implementation="eager")
    weights = clip.vision_model(normalise(pixels)[:, 0], output_attentions=True).attentions
    proxies, read = proxies_over_patches(own.video, pixels)
    for found, layer in ((proxies[:, 0, 0], weights[-2]), (read[:, 0], weights[-1])):
        expected = layer.mean(dim=1)[:, 0, 1:]
        torch.testing.assert_close(found.flatten(1), expected, rtol=1e-4, atol=1e-6)


@torch.inference_mode()
def test_the_weights_are_those_that_the_model_mixes_with(tiny_clip_folder: Path) -> None:
    own = model(tiny_clip_folder, num_proxies=3, num_frames=4, temporal_std=0.5)
    pixels = clips(own, 2, 4)
    tokens, attention = own.video.tokens(pixels)
    layers = own.video.vision_model.encoder.layers
    for layer in layers[:-2]:
        tokens = run_layer(layer, tokens, attention)
    block, normed = layers[-2].self_attn, layers[-2].layer_norm1(tokens)
    query, key, value = (heads(part(normed), block.num_heads) for part in (block.q_proj, block.k_proj, block.v_proj))
    mixed = proxy_attention(query, key, value, num_proxies=3, num_frames=4)[:, :, :3]
    weights = attention_weights(layers[-2], tokens, 3)
    torch.testing.assert_close(weights @ value, mixed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    proxies, _ = proxies_over_patches(own.video, pixels)
    length = (weights.shape[-1] - 3) // 4
    by_hand = weights.mean(1)[:, 1, 3 + 2 * length : 3 + 3 * length]  # second proxy, third frame
    torch.testing.assert_close(proxies[:, 1, 2].flatten(1), by_hand)
    assert ((proxies.flatten(2).sum(-1) + weights.mean(1)[..., :3].sum(-1)) - 1).abs().max() < 1e-5


def test_a_model_without_proxies_is_refused(tiny_clip_folder: Path) -> None:
    own = model(tiny_clip_folder, pooling="mean")
    with pytest.raises(ValueError, match="pooling 'mean' has no proxies"):
        proxies_over_patches(own.video, clips(own, 1, 2))


def test_the_file_holds_frames_and_weights(
    tiny_clip_folder: Path, corpus_inputs: dict[str, Path], tmp_path: Path
) -> None:
    own = model(tiny_clip_folder, num_proxies=2, num_frames=3)
    opened = open_clips(corpus_inputs, FramesSettings(size=24))
    from clipvip.data import manifest

    ids = list(manifest.clip_ids(corpus_inputs["corpus"], split="test"))[:2]
    attention_examples.write(own.video, opened, ids, 3, tmp_path)
    with np.load(tmp_path / "gaze.npz", allow_pickle=False) as found:
        assert found["clip_ids"].tolist() == ids
        np.testing.assert_array_equal(found["frames"][1], opened.sample(ids[1], 3, None))
        assert found["proxies"].shape[:3] == (2, 2, 3)
        assert found["read"].shape == found["proxies"].shape[:1] + found["proxies"].shape[2:]
