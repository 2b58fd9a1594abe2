"""Fine-tuning keeps the checkpoint that is best on val, its starting point among them."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings, OptimSettings
from clipvip.config.stages import FinetuneCell
from clipvip.data.clips import open_clips
from clipvip.evaluation.embedding import load_tokenizer
from clipvip.evaluation.validation import open_split, validation
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime.context import Run
from clipvip.training import finetune_stage

FRAMES = FramesSettings(size=24)
MODEL = ModelSettings(num_frames=4, pooling="mean")


def _finetune(start: Path, corpus: dict[str, Path], out: Path, lr: float, *, keep_start: bool) -> dict[str, object]:
    out.mkdir()
    settings = FinetuneCell(
        model=MODEL,
        frames=FRAMES,
        optim=OptimSettings(steps=4, batch_size=8, lr=lr, warmup=0.0, grad_norm=None),
        num_frames=4,
        max_tokens=77,
        validations=2,
        keep_start=keep_start,
    )
    return finetune_stage.make(settings, {"model": start, **corpus}, out, Run(work=out))


@pytest.fixture
def start(tiny_clip_folder: Path, tmp_path: Path) -> Path:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "model").symlink_to(tiny_clip_folder)
    return tmp_path / "clip"


@pytest.mark.parametrize("keep_start", [True, False])
def test_the_starting_point_stays_where_training_only_hurts(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, start: Path, tmp_path: Path, keep_start: bool
) -> None:
    corpus = {role: corpus_inputs[role] for role in ("corpus", "frames")}
    facts = _finetune(start, corpus, tmp_path / "out", 0.0, keep_start=keep_start)  # no step is better than another
    assert facts["kept"] == (0 if keep_start else 2), "of equal ones the first"
    found = _finetune(start, corpus, tmp_path / "wild", 10.0, keep_start=keep_start)
    history = pd.read_csv(tmp_path / "wild" / "history.csv").dropna(subset="val/t2v/R@1")
    assert history["step"].tolist() == ([0, 2, 4] if keep_start else [2, 4])
    means = history.set_index("step")[["val/t2v/R@1", "val/t2v/R@5", "val/t2v/R@10"]].mean(axis=1)
    assert found["kept"] == means.idxmax()
    model = ClipVip.from_pretrained(tmp_path / "wild" / "model").eval()
    clips = open_clips(corpus, FRAMES)
    again = validation(model, load_tokenizer(start), clips, open_split(corpus["corpus"], "val"), 4, 77)
    assert sum(again.values()) / 3 == pytest.approx(means.max()), "the weights kept are those of that step"
    own = ClipVip.from_pretrained(tiny_clip_folder, MODEL, seed=0).state_dict()
    same = all(torch.equal(value, own[name]) for name, value in model.state_dict().items())
    assert same == (found["kept"] == 0)
