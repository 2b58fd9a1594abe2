"""A checkpoint in the authors' layout at the true shape of B/32, with random weights, through what a row needs."""

import json
from pathlib import Path

import pytest
import torch
from official_file import official
from tiny_clip_parts import tiny_tokenizer
from transformers import CLIPConfig, CLIPModel
from weights_cells import cell, make

from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.config.learning import OptimSettings
from clipvip.config.stages import EvaluateCell, FinetuneCell
from clipvip.pipeline.cell import Cell


@pytest.mark.slow
def test_b_32_through_zero_shot_and_fine_tuning(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    torch.manual_seed(0)
    clip = CLIPModel(CLIPConfig(text_config=ids))
    clip.save_pretrained(tmp_path / "clip")
    tokenizer.save_pretrained(tmp_path / "clip")
    state = official(clip.config, scale=0.02)
    assert len(state) == 402
    torch.save(state, tmp_path / "official.pt")
    released = cell(tmp_path / "official.pt", tmp_path / "clip", size=224)
    world = WorldSettings(part="msrvtt", clips={"train": 8, "test": 8})
    frames = FramesSettings(size=224)
    made_world = Cell("world", world)
    corpus = Cell("corpus", CorpusSettings(format="msrvtt", world=world, holdout=2), {"world": made_world})
    inputs = {"model": released, "corpus": corpus, "frames": Cell("frames", frames, {"corpus": corpus})}
    zero_shot = make(
        tmp_path, Cell("evaluate", EvaluateCell(frames=frames, num_frames=12, max_tokens=50, bank=4), inputs)
    )
    assert json.loads((zero_shot / "receipt.json").read_text())["clips"] == 8
    optim = OptimSettings(steps=1, batch_size=2)
    tuning = FinetuneCell(frames=frames, optim=optim, num_frames=2, max_tokens=50, validations=1)
    tuned = Cell("finetune", tuning, inputs)
    after = make(
        tmp_path,
        Cell(
            "evaluate",
            EvaluateCell(frames=frames, num_frames=2, max_tokens=50, bank=4),
            {**inputs, "model": tuned},
        ),
    )
    assert 0 <= json.loads((after / "metrics.json").read_text())["t2v/R@1"] <= 100
