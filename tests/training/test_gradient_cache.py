"""Micro-batches: the gradient of the whole batch, in the memory of a part."""

import math
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import OPTIM, parts

from clipvip.config.learning import OptimSettings
from clipvip.config.stages import OBJECTIVES
from clipvip.data.batches import Batch
from clipvip.model.clip_vip import ClipVip
from clipvip.model.loss import omnisource_loss
from clipvip.runtime.context import Run
from clipvip.training import gradient_cache
from clipvip.training.loop import DTYPES, embed, fit

Gradients = dict[str, torch.Tensor]


class Peak:
    """Bytes kept for the backward pass, at most at any time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def pack(self, tensor: torch.Tensor) -> Any:
        class Kept:
            value = tensor

        kept, size = Kept(), tensor.numel() * tensor.element_size()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(kept, self._forget, size)
        return kept

    def _forget(self, size: int) -> None:
        self.now -= size


def gradients(
    model: ClipVip,
    batch: Batch,
    size: int | None,
    precision: str = "fp32",
    factor: float = 1.0,
    peak: Peak | None = None,
) -> tuple[float, Gradients]:
    dtype = DTYPES.get(precision)

    def encode(part: Batch) -> dict[str, torch.Tensor]:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            return embed(model, part)

    def loss_of(embeddings: dict[str, torch.Tensor]) -> torch.Tensor:
        return omnisource_loss(embeddings, OBJECTIVES["d"], model.logit_scale, present=batch.present)

    model.zero_grad()
    peak = peak or Peak()
    with torch.autograd.graph.saved_tensors_hooks(peak.pack, lambda kept: kept.value):
        loss = gradient_cache.backward(encode, loss_of, batch, size, lambda value: factor * value)
    return float(loss.detach()), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def together(model: ClipVip, batch: Batch, size: int) -> tuple[float, Gradients]:
    """One graph over all micro-batches: the same draws, no second pass."""
    model.zero_grad()
    found = [embed(model, part) for part in batch.split(size)]
    whole = {role: torch.cat([each[role] for each in found]) for role in found[0]}
    loss = omnisource_loss(whole, OBJECTIVES["d"], model.logit_scale, present=batch.present)
    loss.backward()
    return float(loss.detach()), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def close(one: Gradients, other: Gradients, within: float) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=within, atol=within, msg=lambda m, n=name: f"{n}: {m}")


@pytest.fixture
def made(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> tuple[ClipVip, Batch]:
    model, batches = parts(corpus_inputs, tiny_clip_folder, batch_size=10)
    batch = batches[0]
    batch.present["caption"][torch.tensor([1, 7])] = False
    return model.train(), batch


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_gradients_are_those_of_one_pass(made: tuple[ClipVip, Batch], size: int) -> None:
    loss, expected = gradients(*made, None)
    again, found = gradients(*made, size)
    assert again == pytest.approx(loss, rel=1e-6)
    close(found, expected, 1e-5)


def test_in_double_precision_they_are_equal(made: tuple[ClipVip, Batch]) -> None:
    model = made[0].double()
    _, expected = gradients(model, made[1], None)
    close(gradients(model, made[1], 4)[1], expected, 1e-12)


def test_dropped_patches_are_dropped_again(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    model, batches = parts(corpus_inputs, tiny_clip_folder, batch_size=10, patch_dropping=0.5)
    model.train()
    torch.manual_seed(5)
    loss, expected = together(model, batches[0], 4)
    after = torch.get_rng_state()
    torch.manual_seed(5)
    again, found = gradients(model, batches[0], 4)
    assert again == pytest.approx(loss, rel=1e-6)
    close(found, expected, 1e-5)
    assert torch.equal(torch.get_rng_state(), after)
    assert gradients(model, batches[0], 4)[0] != pytest.approx(loss, rel=1e-6)  # the draws do matter


def test_autocast_and_a_scaled_loss_go_through(made: tuple[ClipVip, Batch]) -> None:
    _, exact = gradients(*made, None)
    loss, expected = gradients(*made, None, "bf16")
    again, found = gradients(*made, 4, "bf16", 1024.0)
    assert again == pytest.approx(loss, rel=0.02)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        own = float((gradient - exact[name]).norm())  # what half precision costs the one pass
        assert float((found[name] / 1024 - gradient).norm()) <= 2 * own + 0.02 * float(exact[name].norm()) + 1e-4, name


def test_memory_is_that_of_the_micro_batch(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    kept = {}
    for clips in (6, 12):
        model, batches = parts(corpus_inputs, tiny_clip_folder, batch_size=clips)
        for size in (None, 3):
            kept[clips, size] = Peak()
            gradients(model.train(), batches[0], size, peak=kept[clips, size])
    whole, part = kept[12, None].most / kept[6, None].most, kept[12, 3].most / kept[6, 3].most
    assert whole > 1.8
    assert part < 1.1
    assert kept[12, 3].most < 0.35 * kept[12, None].most


@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-4), ("bf16", 0.03), ("fp16", 0.01)])
def test_training_by_micro_batches_is_the_same_training(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path, precision: str, within: float
) -> None:
    optim = OPTIM.model_copy(update={"precision": precision})
    found = []
    for size in (None, 3):
        model, batches = parts(corpus_inputs, tiny_clip_folder)
        run = Run(work=tmp_path / str(size), micro_batch=size)
        found.append(fit(model, batches, OBJECTIVES["d"], optim, run, name="test"))
    whole, part = found
    finite = [math.isfinite(row["grad_norm"]) for row in whole]  # the scale of fp16 starts too high: steps are skipped
    assert any(finite)
    assert [math.isfinite(row["grad_norm"]) for row in part] == finite
    for one, other, taken in zip(whole, part, finite, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=within)
        assert not taken or other["grad_norm"] == pytest.approx(one["grad_norm"], rel=within)


def test_a_micro_batch_of_nothing_is_refused(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path
) -> None:
    model, batches = parts(corpus_inputs, tiny_clip_folder)
    with pytest.raises(ValueError, match="micro_batch"):
        fit(model, batches, OBJECTIVES["d"], OptimSettings(steps=1), Run(work=tmp_path, micro_batch=0), name="test")
