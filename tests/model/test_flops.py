"""The formula for a model's operations against what torch counts while the model runs."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
import tower_parts
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel

from clipvip.config.learning import ModelSettings
from clipvip.model.clip_vip import ClipVip
from clipvip.model.flops import forward_flops, text_flops, training_flops, video_flops

WAYS = [{"pooling": "proxies"}, {"pooling": "proxies", "num_proxies": 1}, {"pooling": "full"}, {"pooling": "mean"}]


def counted(step: Any) -> int:
    """What torch counts; attention written out, since its counter does not know the CPU's fused kernel."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def paper_config(patch_size: int) -> CLIPConfig:
    return CLIPConfig(vision_config={"patch_size": patch_size}, projection_dim=512)


@pytest.mark.parametrize("patch_size", [32, 16])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_video_at_the_papers_shapes(patch_size: int, way: dict[str, Any]) -> None:
    """With tensors that have shapes alone; nothing is computed."""
    settings = ModelSettings(**way)
    with FakeTensorMode():
        model = ClipVip.from_clip(CLIPModel(paper_config(patch_size)), settings).eval()
        for frames in (1, 12):
            pixels = torch.empty(2, frames, 3, 224, 224)
            found = counted(lambda pixels=pixels: model.encode_video(pixels))
            assert found == 2 * video_flops(model.config, settings, frames)


@pytest.mark.parametrize("kind", tower_parts.KINDS)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_kind_of_tower(tmp_path: Path, kind: str, way: dict[str, Any]) -> None:
    """One text, and a step of two videos with a frame and a text each; backward too."""
    tower_parts.write(tmp_path, kind)
    settings = ModelSettings(**way, num_frames=3)
    model = ClipVip.from_pretrained(tmp_path, settings)
    tokens = torch.full((2, 7), 3)
    tokens[:, -1] = model.config.text_config.eos_token_id
    assert counted(lambda: model.encode_text(tokens)) == 2 * text_flops(model.config, 7)
    pixels = [torch.randn(2, frames, 3, 24, 24) for frames in (3, 1)]

    def step() -> None:
        found = [*map(model.encode_video, pixels), model.encode_text(tokens)]
        cast("torch.Tensor", sum(each.sum() for each in found)).backward()

    expected = training_flops(model.config, settings, (3, 1), (7,))
    assert counted(step) == pytest.approx(2 * expected, rel=0.02)  # some biases cost a product, some gradients none
    with torch.no_grad():
        forward = counted(lambda: [*map(model.encode_video, pixels), model.encode_text(tokens)])
    assert forward == 2 * forward_flops(model.config, settings, (3, 1), (7,))


def test_the_papers_figures() -> None:
    """A video of 12 frames with its middle frame, and with two texts of 70 tokens as a training clip [GFLOP]."""
    for patch_size, forward, training in ((32, 105, 341), (16, 419, 1283)):
        config, settings = paper_config(patch_size), ModelSettings()
        assert forward_flops(config, settings, (12, 1), ()) / 1e9 == pytest.approx(forward, rel=0.005)
        assert training_flops(config, settings, (12, 1), (70, 70)) / 1e9 == pytest.approx(training, rel=0.005)
