"""One whole step against the authors' own code, run once: gradients, their norm, and the update of their AdamW."""

from pathlib import Path

import parity
import pytest
import torch

from clipvip.config.learning import OptimSettings
from clipvip.config.stages import OBJECTIVES
from clipvip.data.batches import Batch
from clipvip.model.loss import omnisource_loss
from clipvip.training.loop import embed
from clipvip.training.optimiser import adamw, prepare

SETTINGS = OptimSettings(
    steps=100, lr=1e-6, weight_decay=0.2, betas=(0.9, 0.98), eps=1e-6, eps_uncorrected=True, decay_all=True
)


def test_a_step_of_the_published_recipe(tmp_path: Path) -> None:
    model, given = parity.model(tmp_path), parity.golden("input")
    ids, mask = (torch.cat([given[f"{role}_{end}"] for role in ("subtitle", "caption")]) for end in ("ids", "mask"))
    batch = Batch(given["video"], given["frame"], ("subtitle", "caption"), ids, mask, {})
    omnisource_loss(embed(model, batch), OBJECTIVES["d"], model.logit_scale).backward()
    weights = {name.removeprefix("video."): each for name, each in model.named_parameters()}
    expected = parity.golden("gradient")
    gradients = parity.by_official_name({name: each.grad for name, each in weights.items()})
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient.float(), expected[name], rtol=1e-5, atol=1e-9, msg=name)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert norm.item() == pytest.approx(parity.golden("gradient_norm")["gradient_norm"].item(), rel=1e-13)

    before = {name: each.detach().clone() for name, each in weights.items()}
    optimiser = adamw(model, SETTINGS)
    prepare(optimiser, SETTINGS, SETTINGS.lr, 0)
    optimiser.step()
    moved = parity.by_official_name({name: weights[name].detach() - before[name] for name in weights})
    expected = parity.golden("update")
    assert moved.keys() == expected.keys()
    for name, update in moved.items():
        torch.testing.assert_close(update.float(), expected[name], rtol=1e-5, atol=1e-12, msg=name)
