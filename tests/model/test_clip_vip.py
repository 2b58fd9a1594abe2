"""The whole model: against transformers, through its folder and back, and as the optimiser sees it."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

from clipvip.config.learning import ModelSettings
from clipvip.model.clip_vip import ClipVip
from clipvip.model.model_folder import own_settings
from clipvip.model.video_encoder import resample

PIXELS = torch.randn(2, 3, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def saved(source: Path, folder: Path, **settings: object) -> Path:
    ClipVip.from_pretrained(source, seed=1, **{"temporal_std": 0.3, "num_frames": 3, **settings}).save_pretrained(
        folder
    )
    return folder


def test_text_and_mean_pooling_equal_transformers(tiny_clip_folder: Path) -> None:
    clip = CLIPModel.from_pretrained(tiny_clip_folder)
    model = ClipVip.from_pretrained(tiny_clip_folder, pooling="mean")
    batch = AutoTokenizer.from_pretrained(tiny_clip_folder)(["water", "a red ring"], padding=True, return_tensors="pt")
    texts = clip.get_text_features(**batch).pooler_output
    torch.testing.assert_close(model.encode_text(**batch), texts / texts.norm(dim=-1, keepdim=True))
    image = clip.get_image_features(PIXELS[:, 0]).pooler_output
    torch.testing.assert_close(model.encode_video(PIXELS[:, :1]), image / image.norm(dim=-1, keepdim=True))
    assert torch.equal(model.logit_scale, clip.logit_scale)


def test_defaults_on_a_plain_clip(tiny_clip_folder: Path) -> None:
    model = ClipVip.from_pretrained(str(tiny_clip_folder))
    assert model.settings == ModelSettings()
    assert model.video.proxies.shape == (3, 32)
    assert model.video.temporal_embedding.shape == (12, 32)
    assert torch.equal(model.video.temporal_embedding, torch.zeros(12, 32))
    torch.testing.assert_close(model.encode_video(PIXELS).norm(dim=-1), torch.ones(2))


def test_the_seed_decides_what_is_new(tiny_clip_folder: Path) -> None:
    one, same, other = (ClipVip.from_pretrained(tiny_clip_folder, seed=seed).video.proxies for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("settings", [{}, {"pooling": "mean"}, {"pooling": "full"}, {"num_proxies": 1}])
def test_a_saved_folder_comes_back_bit_for_bit(
    tiny_clip_folder: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder, seed=1, num_frames=3, temporal_std=0.3, **settings)
    model.save_pretrained(tmp_path / "ours")
    again = ClipVip.from_pretrained(tmp_path / "ours")
    assert again.settings == model.settings == own_settings(tmp_path / "ours")
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert torch.equal(again.encode_video(PIXELS), model.encode_video(PIXELS))
    assert len(AutoTokenizer.from_pretrained(tmp_path / "ours")) == again.config.text_config.vocab_size


def test_a_saved_folder_does_not_say_where_its_model_was_read(tiny_clip_folder: Path, tmp_path: Path) -> None:
    ClipVip.from_pretrained(tiny_clip_folder).save_pretrained(tmp_path)
    assert str(tiny_clip_folder) not in (tmp_path / "config.json").read_text()


def test_transformers_opens_our_folder_as_the_clip_inside(tiny_clip_folder: Path, tmp_path: Path) -> None:
    inside = CLIPModel.from_pretrained(saved(tiny_clip_folder, tmp_path / "ours"))
    plain = CLIPModel.from_pretrained(tiny_clip_folder)
    assert all(torch.equal(tensor, inside.state_dict()[name]) for name, tensor in plain.state_dict().items())


def test_frames_may_change_on_the_way_to_fine_tuning(tiny_clip_folder: Path, tmp_path: Path) -> None:
    ours = saved(tiny_clip_folder, tmp_path / "ours", num_frames=4)
    before, after = ClipVip.from_pretrained(ours), ClipVip.from_pretrained(ours, num_frames=3)
    assert after.settings.num_frames == 3
    torch.testing.assert_close(
        after.video.temporal_embedding.detach(), resample(before.video.temporal_embedding.detach(), 3)
    )
    torch.testing.assert_close(after.encode_video(PIXELS), before.encode_video(PIXELS))


def test_another_model_is_refused_unless_asked_for(tiny_clip_folder: Path, tmp_path: Path) -> None:
    ours = saved(tiny_clip_folder, tmp_path / "ours")
    with pytest.raises(ValueError, match=r"pooling is 'proxies', asked is 'mean'; temporal is True, asked is False"):
        ClipVip.from_pretrained(ours, pooling="mean")
    with pytest.raises(ValueError, match="num_proxies is 4, asked is 8"):
        ClipVip.from_pretrained(ours, ModelSettings(num_proxies=8, num_frames=3))
    before = ClipVip.from_pretrained(ours)
    wider = ClipVip.from_pretrained(ours, num_proxies=8, override=True, seed=5)
    assert torch.equal(wider.video.proxies[:3], before.video.proxies)
    assert torch.equal(wider.video.temporal_embedding, before.video.temporal_embedding)
    mean = ClipVip.from_pretrained(ours, pooling="mean", override=True)
    assert mean.video.proxies is None
    assert mean.video.temporal_embedding is None


def test_what_is_no_clip_is_refused(tiny_clip_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        ClipVip.from_pretrained(tmp_path / "nowhere")
    broken = tmp_path / "broken"
    shutil.copytree(tiny_clip_folder, broken)
    tensors = load_file(broken / "model.safetensors")
    del tensors["vision_model.post_layernorm.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"missing: vision_model\.post_layernorm\.weight; give a CLIP folder"):
        ClipVip.from_pretrained(broken)
    other = tmp_path / "other"
    shutil.copytree(tiny_clip_folder, other)
    (other / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match=r"other: its config\.json describes a 'bert', not a CLIP"):
        ClipVip.from_pretrained(other)


def test_half_precision_weights_are_read_as_single(tiny_clip_folder: Path, tmp_path: Path) -> None:
    CLIPModel.from_pretrained(tiny_clip_folder).half().save_pretrained(tmp_path)
    assert {p.dtype for p in ClipVip.from_pretrained(tmp_path).parameters()} == {torch.float32}


def test_forward_embeds_every_role_like_the_single_calls(tiny_clip_folder: Path) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder, seed=0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)
    texts = {"subtitle": ["well so now you see the ring", "water"], "caption": ["a red circle", "grass"]}
    ids = {role: tokenizer(rows, padding=True, return_tensors="pt")["input_ids"] for role, rows in texts.items()}
    found = model({"video": PIXELS, "frame": PIXELS[:, 1:2]}, ids)
    assert list(found) == ["video", "frame", "subtitle", "caption"]
    assert torch.equal(found["frame"], model.encode_video(PIXELS[:, 1:2]))
    for role, rows in ids.items():
        torch.testing.assert_close(found[role], model.encode_text(rows), rtol=1e-5, atol=1e-6)


def test_temperature_stays_in_its_bounds(tiny_clip_folder: Path) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder)
    for value, wanted in ((7.0, math.log(200)), (-1.0, 0.0), (4.6, 4.6)):
        model.logit_scale.data.fill_(value)
        model.clamp_logit_scale()
        assert model.logit_scale.item() == pytest.approx(wanted)


@pytest.mark.parametrize(("patch", "total"), [(32, 151_288_833), (16, 149_632_257)])
def test_number_of_parameters_of_the_published_shapes(patch: int, total: int) -> None:
    with torch.device("meta"):
        model = ClipVip.from_clip(CLIPModel(CLIPConfig(vision_config={"patch_size": patch})), ModelSettings())
    assert sum(parameter.numel() for parameter in model.parameters()) == total
