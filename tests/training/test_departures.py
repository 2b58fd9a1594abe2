"""Settings of the authors' recipe inside the loop: each changes what it says, and a resumed run keeps all of them."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import parts

from clipvip.config.learning import OptimSettings
from clipvip.config.stages import OBJECTIVES
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime.context import Run
from clipvip.training import loop
from clipvip.training.loop import fit

ALL: dict[str, Any] = {
    "eps": 1e-6,
    "eps_uncorrected": True,
    "decay_all": True,
    "temperature_lr": 10.0,
    "clamp_first": True,
    "keep_partial": True,
    "published_schedule": True,
}


def trained(
    inputs: dict[str, Path], clip_folder: Path, work: Path, start: float | None = None, **optim: Any
) -> tuple[ClipVip, list[dict[str, float]]]:
    model, batches = parts(inputs, clip_folder)
    if start is not None:
        model.logit_scale.data.fill_(start)
    settings = OptimSettings(**{"steps": 6, "batch_size": 4, "lr": 1e-3, "weight_decay": 0.05, **optim})
    return model, fit(model, batches, OBJECTIVES["subtitle"], settings, Run(work=work), name="test")


def test_the_temperature_is_clamped_before_or_after(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path
) -> None:
    """Started above its bound: the first loss is that of the bound only where it is clamped first."""
    still = {"steps": 1, "lr": 0.0}
    losses = {}
    for name, start, first in (("bound", math.log(200), False), ("before", 7.0, True), ("after", 7.0, False)):
        model, history = trained(corpus_inputs, tiny_clip_folder, tmp_path / name, start, **still, clamp_first=first)
        losses[name] = history[0]["loss"]
        assert model.logit_scale.item() == pytest.approx(math.log(200))
    assert losses["before"] == losses["bound"]
    assert losses["after"] > losses["bound"]


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("eps", "clamp_first", "keep_partial")])
def test_each_moves_the_weights(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path, name: str
) -> None:
    shared = {"eps": 1e-3} if name == "eps_uncorrected" else {}
    ours, _ = trained(corpus_inputs, tiny_clip_folder, tmp_path / "ours", **shared)
    theirs, _ = trained(corpus_inputs, tiny_clip_folder, tmp_path / "theirs", **shared, **{name: ALL[name]})
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)


def test_a_killed_run_of_their_recipe_ends_with_the_same_bits(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, history = trained(corpus_inputs, tiny_clip_folder, tmp_path / "whole", **ALL)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    step, done = loop._step, [0]

    def killed(*args: Any, **more: Any) -> Any:
        if done[0] == 3:
            raise KeyboardInterrupt
        done[0] += 1
        return step(*args, **more)

    monkeypatch.setattr(loop, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(corpus_inputs, tiny_clip_folder, tmp_path / "killed", **ALL)
    monkeypatch.setattr(loop, "_step", step)
    again, resumed = trained(corpus_inputs, tiny_clip_folder, tmp_path / "killed", **ALL)
    assert [row["loss"] for row in resumed] == [row["loss"] for row in history]
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())
