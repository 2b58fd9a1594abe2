"""AdamW as the settings say, against the update written out."""

import math
from pathlib import Path

import pytest
import torch

from clipvip.config.learning import OptimSettings
from clipvip.model.clip_vip import ClipVip
from clipvip.training.optimiser import adamw, param_groups, prepare


def test_what_is_decayed(tiny_clip_folder: Path) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder)
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    def split(decay_all: bool) -> tuple[set[str], set[str]]:
        decayed, free = param_groups(model, OptimSettings(steps=1, decay_all=decay_all))
        assert (decayed["weight_decay"], free["weight_decay"]) == (0.2, 0.0)
        assert len(decayed["params"]) + len(free["params"]) == len(names)
        return {names[id(p)] for p in decayed["params"]}, {names[id(p)] for p in free["params"]}

    decayed, free = split(decay_all=False)
    special = {"logit_scale", "video.proxies", "video.temporal_embedding"}
    special.add("video.vision_model.embeddings.class_embedding")
    assert special <= free
    assert all(name.endswith(".bias") or "norm" in name for name in free - special)
    assert not any("norm" in name or name.endswith(".bias") for name in decayed)
    decayed, free = split(decay_all=True)
    assert all(name.endswith(".bias") or name == "logit_scale" for name in free)
    assert {"video.proxies", "video.temporal_embedding", "text_model.final_layer_norm.weight"} <= decayed


def test_the_temperature_may_learn_faster(tiny_clip_folder: Path) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder)
    settings = OptimSettings(steps=1, lr=1e-3, temperature_lr=10.0)
    optimiser = adamw(model, settings)
    prepare(optimiser, settings, 5e-4, 0)
    assert [group["lr"] for group in optimiser.param_groups] == [5e-4, 5e-4, 5e-3]
    assert optimiser.param_groups[2]["params"] == [model.logit_scale]
    assert len(param_groups(model, OptimSettings(steps=1))) == 2


@pytest.mark.parametrize("uncorrected", [False, True])
def test_where_epsilon_is_added(tiny_clip_folder: Path, uncorrected: bool) -> None:
    """Three steps of one parameter by hand; a large epsilon, so that its place matters."""
    model = ClipVip.from_pretrained(tiny_clip_folder).double()
    settings = OptimSettings(steps=3, lr=1e-2, weight_decay=0.0, eps=1e-2, eps_uncorrected=uncorrected)
    optimiser, weight = adamw(model, settings), model.logit_scale
    value, first, second = weight.item(), 0.0, 0.0
    for step, gradient in enumerate((0.03, -0.01, 0.02)):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        prepare(optimiser, settings, 1e-2, step)
        optimiser.step()
        first, second = 0.9 * first + 0.1 * gradient, 0.98 * second + 0.02 * gradient**2
        free, bias = 1 - 0.9 ** (step + 1), 1 - 0.98 ** (step + 1)
        spread = (math.sqrt(second) + 1e-2) / math.sqrt(bias) if uncorrected else math.sqrt(second / bias) + 1e-2
        value -= 1e-2 * (first / free) / spread
        assert weight.item() == pytest.approx(value, rel=1e-12)
