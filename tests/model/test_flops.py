"""The formula against torch's own count of what is computed."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from clipvip.config.learning import ModelSettings
from clipvip.model import flops
from clipvip.model.clip_vip import ClipVip

TOWER = {"hidden_size": 32, "intermediate_size": 96, "num_attention_heads": 2, "num_hidden_layers": 3}
VISION = {**TOWER, "image_size": 32, "patch_size": 8}


def counted(model: ClipVip, call: object, *, training: bool) -> int:
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        found = call()  # type: ignore[operator]
        if training:
            found.sum().backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("siglip", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("pooling", "dropping", "frames"), [("mean", 0.0, 3), ("full", 0.0, 2), ("proxies", 0.0, 3), ("proxies", 0.5, 1)]
)
def test_formula_is_torchs_count(pooling: str, dropping: float, frames: int, training: bool, siglip: bool) -> None:
    parts = {"vision_config": VISION, "text_config": {**TOWER, "vocab_size": 99, "max_position_embeddings": 16}}
    if siglip:
        clip: object = SiglipModel(SiglipConfig(**parts))
    else:
        parts["text_config"] |= {"eos_token_id": 98}
        clip = CLIPModel(CLIPConfig(**parts, projection_dim=24))
    settings = ModelSettings(pooling=pooling, patch_dropping=dropping, num_frames=frames, num_proxies=2)  # type: ignore[arg-type]
    model = ClipVip.from_clip(clip, settings, torch.Generator().manual_seed(0)).train(training)
    pixels = torch.randint(0, 256, (5, frames, 32, 32, 3), dtype=torch.uint8)
    video = counted(model, lambda: model.encode_video(pixels), training=training)
    assert 5 * flops.of_video(model, frames, training=training) == video
    ids = torch.full((7, 11), 5).index_fill(1, torch.tensor([10]), 98)
    text = counted(model, lambda: model.encode_text(ids), training=training)
    assert 7 * flops.of_text(model, 11, training=training) == text


def test_the_paper_s_shape() -> None:
    """Whole layers would be 105 GFLOP forward (12 x (8 T D^2 + 4 T D 4D), T = 592, D = 768, and the patches)."""
    vision = {"image_size": 224, "patch_size": 32}
    with torch.device("meta"):
        model = ClipVip.from_clip(CLIPModel(CLIPConfig(vision_config=vision)), ModelSettings())
    whole = 12 * (24 * 592 * 768**2 + 4 * (4 * 592 + 588 * 53) * 768) + 2 * 588 * 768 * 3072
    assert whole / 1e9 == pytest.approx(105, rel=0.01)
    assert flops.of_video(model, 12) / 1e9 == pytest.approx(96.2, rel=0.01)
    assert flops.tokens_of_video(model, 12) == 4 + 12 * 49
