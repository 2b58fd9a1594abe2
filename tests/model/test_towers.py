"""Every kind of starting tower: mean pooling is the source's own features, proxies are a dense masked tower's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import tower_parts
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from clipvip.config.learning import ClipSettings, ModelSettings
from clipvip.model.clip_vip import ClipVip
from clipvip.model.model_folder import own_settings
from clipvip.model.video_encoder import resample
from clipvip.runtime.context import Run
from clipvip.training import clip_stage

CLOSE = {"rtol": 0.0, "atol": 1e-5}
TEXTS = ["water", "a red circle grows and then", "a green square vanishes"]
SIGLIPS = ("siglip", "siglip_2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    found = {}
    for kind in tower_parts.KINDS:
        folder = tmp_path_factory.mktemp(kind)
        found[kind] = folder, tower_parts.write(folder, kind)
    return found


PIXELS = torch.randn(2, 3, 3, 24, 24, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
@pytest.mark.parametrize("kind", tower_parts.KINDS)
def test_mean_pooling_is_the_sources_own_features(folders: dict[str, tuple[Path, Any]], kind: str) -> None:
    folder, source = folders[kind]
    model = ClipVip.from_pretrained(folder, pooling="mean").eval()
    frames = F.normalize(source.get_image_features(PIXELS.flatten(0, 1)).pooler_output, dim=-1).unflatten(0, (2, 3))
    torch.testing.assert_close(model.encode_video(PIXELS), F.normalize(frames.mean(dim=1), dim=-1), **CLOSE)


@torch.inference_mode()
@pytest.mark.parametrize("kind", tower_parts.KINDS)
def test_texts_are_the_sources_own_features(folders: dict[str, tuple[Path, Any]], kind: str) -> None:
    """SigLIP is given every text padded to all its places, as it was trained."""
    folder, source = folders[kind]
    model, tokenizer = ClipVip.from_pretrained(folder, pooling="mean").eval(), AutoTokenizer.from_pretrained(folder)
    short = tokenizer(TEXTS, padding=True, return_tensors="pt")
    given = dict(short)
    if kind in SIGLIPS:
        slots = source.config.text_config.max_position_embeddings
        given = {"input_ids": tokenizer(TEXTS, padding="max_length", max_length=slots, return_tensors="pt").input_ids}
    expected = F.normalize(source.get_text_features(**given).pooler_output, dim=-1)
    torch.testing.assert_close(model.encode_text(**short), expected, **CLOSE)
    embedded = model({}, {"subtitle": short["input_ids"][:1, :4], "caption": short["input_ids"][1:]})
    assert embedded["subtitle"].shape == (1, model.dim)
    torch.testing.assert_close(embedded["caption"], expected[1:], **CLOSE)


def masked_layer(layer: Any, tokens: Tensor, visible: Tensor) -> Tensor:
    """A layer with a dense mask [tokens, tokens], by the plain products."""
    block, normed = layer.self_attn, layer.layer_norm1(tokens)
    parts = (
        part(normed).unflatten(-1, (block.num_heads, -1)).transpose(1, 2)
        for part in (block.q_proj, block.k_proj, block.v_proj)
    )
    query, key, value = parts
    scores = (query @ key.mT / query.shape[-1] ** 0.5).masked_fill(~visible, -torch.inf)
    tokens = tokens + block.out_proj((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))
    return tokens + layer.mlp(layer.layer_norm2(tokens))


@torch.inference_mode()
@pytest.mark.parametrize("kind", SIGLIPS)
def test_proxies_of_a_tower_without_class_token(folders: dict[str, tuple[Path, Any]], kind: str) -> None:
    """All M are new; a proxy sees all, a patch the proxies and its frame; the source's own head reads all tokens."""
    folder, source = folders[kind]
    model = ClipVip.from_pretrained(folder, num_proxies=2, num_frames=3, temporal_std=0.5, seed=3).eval()
    vision = source.vision_model
    patches = vision.embeddings(PIXELS.flatten(0, 1)).unflatten(0, (2, 3))
    count = patches.shape[2]
    time = resample(model.video.temporal_embedding, 3)[None, :, None]
    assert model.video.proxies.shape == (2, 32)
    tokens = torch.cat([model.video.proxies.expand(2, -1, -1), (patches + time).flatten(1, 2)], dim=1)
    frame = torch.cat([torch.full((2,), -1), torch.arange(3).repeat_interleave(count)])
    visible = (frame[:, None] == frame) | (frame == -1) | (frame[:, None] == -1)
    for layer in vision.encoder.layers:
        tokens = masked_layer(layer, tokens, visible)
    expected = F.normalize(vision.head(vision.post_layernorm(tokens)), dim=-1)
    torch.testing.assert_close(model.encode_video(PIXELS), expected, **CLOSE)


@pytest.mark.parametrize("kind", tower_parts.KINDS)
def test_every_kind_learns_with_proxies_and_comes_back(
    folders: dict[str, tuple[Path, Any]], tmp_path: Path, kind: str
) -> None:
    """Gradients reach proxies, time and text tower; the folder opens again, with transformers too."""
    folder, _ = folders[kind]
    model = ClipVip.from_pretrained(folder, num_frames=3, temporal_std=0.3, seed=1)
    video = model.encode_video(PIXELS)
    (video[0] @ model.encode_text(torch.tensor([[5, 6, model.config.text_config.eos_token_id]]))[0]).backward()
    learnt = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert {"video.proxies", "video.temporal_embedding", "text_model.embeddings.token_embedding.weight"} <= learnt
    model.save_pretrained(tmp_path / "ours")
    again = ClipVip.from_pretrained(tmp_path / "ours")
    assert own_settings(tmp_path / "ours") == model.settings
    assert torch.equal(again.encode_video(PIXELS), video)
    inside, plain = (AutoModel.from_pretrained(place).state_dict() for place in (tmp_path / "ours", folder))
    assert all(torch.equal(tensor, inside[name]) for name, tensor in plain.items())


@pytest.mark.parametrize("kind", tower_parts.KINDS)
def test_the_config_line_is_enough(folders: dict[str, tuple[Path, Any]], tmp_path: Path, kind: str) -> None:
    """`clip: {source: folder}`: what the cell holds becomes a video encoder."""
    folder, _ = folders[kind]
    clip_stage.make(ClipSettings(source=str(folder)), {}, tmp_path, Run(work=tmp_path))
    model, direct = ClipVip.from_pretrained(tmp_path / "model", seed=0), ClipVip.from_pretrained(folder, seed=0)
    frames = torch.randint(0, 256, (1, 2, 24, 24, 3), dtype=torch.uint8)
    assert torch.equal(model.encode_video(frames), direct.encode_video(frames))
    assert AutoTokenizer.from_pretrained(tmp_path / "model")("water").input_ids


def test_pixels_are_scaled_as_the_source_says(folders: dict[str, tuple[Path, Any]], tmp_path: Path) -> None:
    """SigLIP reads -1 to 1 unless its preprocessor_config.json says otherwise; that stays beside the weights."""
    frames = torch.randint(0, 256, (1, 2, 24, 24, 3), dtype=torch.uint8)
    folder, _ = folders["siglip"]
    model = ClipVip.from_pretrained(folder, seed=0)
    scaled = frames.permute(0, 1, 4, 2, 3) / 127.5 - 1
    torch.testing.assert_close(model.encode_video(frames), model.encode_video(scaled), **CLOSE)
    model.save_pretrained(tmp_path / "other")
    written = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.5]}
    (tmp_path / "other" / "preprocessor_config.json").write_text(json.dumps(written))
    ClipVip.from_pretrained(tmp_path / "other").save_pretrained(tmp_path / "again")
    again = ClipVip.from_pretrained(tmp_path / "again")
    mean, std = (torch.tensor(values)[:, None, None] for values in written.values())
    scaled = (frames.permute(0, 1, 4, 2, 3) / 255 - mean) / std
    torch.testing.assert_close(again.encode_video(frames), again.encode_video(scaled), **CLOSE)


@torch.inference_mode()
def test_metaclip_2_reads_the_token_2_where_it_ends() -> None:
    """CLIP's old configurations say 2 and mean the highest id; MetaCLIP 2 means 2."""
    torch.manual_seed(0)
    source = tower_parts.metaclip_2(eos=2).eval()
    model = ClipVip.from_clip(source, ModelSettings(pooling="mean"))
    ids = torch.tensor([[5, 90, 2, 1, 1], [5, 6, 7, 90, 2]])
    expected = F.normalize(source.get_text_features(ids).pooler_output, dim=-1)
    torch.testing.assert_close(model.encode_text(ids), expected, **CLOSE)


def test_what_siglip_lacks_or_has_too_much_of_is_said(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tower_parts.siglip(vision_use_head=False).save_pretrained(tmp_path / "headless")
    with pytest.raises(ValueError, match=r"a SigLIP without head \(vision_use_head\)"):
        ClipVip.from_pretrained(tmp_path / "headless")
    tower_parts.write(tmp_path / "whole", "siglip")
    model = ClipVip.from_pretrained(tmp_path / "whole")
    with pytest.raises(ValueError, match="a text has 21 tokens, this model reads 20: set max_tokens to that"):
        model.encode_text(torch.ones(1, 21, dtype=torch.long))
