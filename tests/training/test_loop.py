"""The loop: schedule, what is kept, and a killed run that ends as if it had not been killed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings, OptimSettings
from clipvip.config.stages import OBJECTIVES
from clipvip.data import manifest
from clipvip.data.batches import Batches, texts_by_clip
from clipvip.data.clips import open_clips
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime import checkpoint
from clipvip.runtime.context import Run
from clipvip.training import loop
from clipvip.training.loop import fit

OPTIM = OptimSettings(steps=6, batch_size=4, lr=1e-3, weight_decay=0.05)


def parts(
    inputs: dict[str, Path], clip_folder: Path, batch_size: int = OPTIM.batch_size, patch_dropping: float = 0.0
) -> tuple[ClipVip, Batches]:
    torch.manual_seed(0)
    settings = ModelSettings(num_frames=4, num_proxies=2, patch_dropping=patch_dropping)
    model = ClipVip.from_pretrained(clip_folder, settings, seed=0)
    texts = texts_by_clip(manifest.read(inputs["corpus"], split="train"))
    batches = Batches(
        clips=open_clips(inputs, FramesSettings(size=24)),
        clip_ids=list(texts),
        texts={"subtitle": texts, "caption": texts},
        tokenizer=AutoTokenizer.from_pretrained(clip_folder),
        num_frames=4,
        max_tokens=77,
        batch_size=batch_size,
        seed=0,
        with_frame=True,
    )
    return model, batches


def run_all(inputs: dict[str, Path], clip_folder: Path, work: Path, **change: Any) -> tuple[ClipVip, Any]:
    model, batches = parts(inputs, clip_folder)
    return model, fit(model, batches, OBJECTIVES["d"], OPTIM, Run(work=work), name="test", **change)


def test_the_loss_falls(corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path) -> None:
    model, batches = parts(corpus_inputs, tiny_clip_folder)
    longer = OptimSettings(steps=40, batch_size=4, lr=2e-3, weight_decay=0.0)
    history = fit(model, batches, OBJECTIVES["subtitle"], longer, Run(work=tmp_path), name="test")
    losses = [row["loss"] for row in history]
    assert len(losses) == 40
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])
    assert 0 <= history[-1]["logit_scale"] <= math.log(200)


def test_a_killed_run_ends_with_the_same_bits(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, history = run_all(corpus_inputs, tiny_clip_folder, tmp_path / "whole")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    step = loop._step
    left = iter(range(4))

    def killed(*arguments: Any) -> dict[str, float]:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run_all(corpus_inputs, tiny_clip_folder, tmp_path / "cut")
    monkeypatch.setattr(loop, "_step", step)
    torch.manual_seed(99)  # whatever the new process starts with
    resumed, again = run_all(corpus_inputs, tiny_clip_folder, tmp_path / "cut")
    assert checkpoint.load(tmp_path / "cut") is not None
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    keys = ("step", "loss", "lr", "grad_norm")
    assert [[row[key] for key in keys] for row in history] == [[row[key] for key in keys] for row in again]


def test_the_weights_of_the_best_validation_are_kept(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path
) -> None:
    scores = iter([1.0, 9.0, 5.0])
    seen: list[dict[str, torch.Tensor]] = []

    def validate(model: ClipVip) -> dict[str, float]:
        assert not model.training
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        score = next(scores)
        return {f"t2v/R@{k}": score for k in (1, 5, 10)}

    at = frozenset([2, 4, 6])
    model, history = run_all(
        corpus_inputs, tiny_clip_folder, tmp_path, validate=validate, validate_at=at, keep_best=True
    )
    assert [row["val/t2v/R@1"] for row in history if "val/t2v/R@1" in row] == [1.0, 9.0, 5.0]
    for key, value in model.state_dict().items():
        assert torch.equal(value, seen[1][key]), key
    assert not torch.equal(seen[1]["logit_scale"], seen[2]["logit_scale"])


@pytest.mark.parametrize("killed_at", [3, 5])
def test_a_run_killed_after_its_best_validation_keeps_those_weights(
    corpus_inputs: dict[str, Path],
    tiny_clip_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: int,
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    step = loop._step
    seen: list[torch.Tensor] = []
    scores = {0: 4.0, 2: 9.0, 4: 5.0, 6: 6.0}

    def run(work: Path, stop: int) -> dict[str, torch.Tensor]:
        done = iter(range(stop))
        at = iter(sorted(scores) if not seen else [each for each in scores if each > killed_at])

        def counted(*arguments: Any) -> dict[str, torch.Tensor]:
            if next(done, None) is None:
                raise KeyboardInterrupt
            return step(*arguments)

        def validate(model: ClipVip) -> dict[str, float]:
            number = next(at)
            if number == 2:
                seen.append(model.logit_scale.detach().clone())
            return {f"t2v/R@{k}": scores[number] for k in (1, 5, 10)}

        monkeypatch.setattr(loop, "_step", counted)
        looks = {"validate": validate, "validate_at": frozenset(scores), "keep_best": True}
        return run_all(corpus_inputs, tiny_clip_folder, work, **looks)[0].state_dict()

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, killed_at)
    again = run(tmp_path, 99)
    assert torch.equal(again["logit_scale"], seen[0])


def test_recomputed_activations_train_the_same_weights(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path
) -> None:
    found, kept = [], []
    for recompute in (False, True):
        model, batches = parts(corpus_inputs, tiny_clip_folder, patch_dropping=0.5)
        torch.manual_seed(3)
        sizes: list[int] = []

        def pack(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        run = Run(work=tmp_path / str(recompute), recompute=recompute, micro_batch=3)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            fit(model, batches, OBJECTIVES["d"], OPTIM, run, name="test")
        found.append(model.state_dict())
        kept.append(sum(sizes))
    for name, value in found[0].items():
        assert torch.equal(found[1][name], value), name
    assert kept[1] < kept[0]
