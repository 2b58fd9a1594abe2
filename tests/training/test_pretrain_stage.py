"""What a post-pretraining reads, against the plain lists and dicts of all clips and texts."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings, OptimSettings
from clipvip.config.stages import OBJECTIVES, PretrainCell
from clipvip.data import manifest
from clipvip.data.batches import Batches, texts_by_clip
from clipvip.data.clips import open_clips
from clipvip.data.loader import stream
from clipvip.runtime.context import Run
from clipvip.training.pretrain_stage import _batches

FRAMES = FramesSettings(size=24)


@pytest.fixture
def inputs(corpus_inputs: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """With captions for two thirds of the clips, in another order than the corpus has."""
    ids = sorted(manifest.read(corpus_inputs["corpus"])["clip_id"].unique())[::-1]
    rows = [{"clip_id": i, "caption": f"a caption of {i}", "model": "git/x"} for n, i in enumerate(ids) if n % 3]
    pd.DataFrame(rows).to_parquet(tmp_path / "captions.parquet")
    return {**corpus_inputs, "captions": tmp_path}


def plain(settings: PretrainCell, inputs: dict[str, Path], tokenizer: Any) -> Batches:
    """Everything as Python objects; the subset by sorting all ids."""
    rows = manifest.read(inputs["corpus"], split="train")
    clips = open_clips(inputs, FRAMES)
    ids = list(manifest.clips(rows)["clip_id"])
    if settings.clips is not None:
        key = str(settings.subset_seed).encode()
        ids = sorted(ids, key=lambda i: hashlib.blake2b(i.encode(), digest_size=8, key=key).digest())[: settings.clips]
    captions = pd.read_parquet(inputs["captions"] / "captions.parquet")
    texts = {"subtitle": texts_by_clip(rows), "caption": texts_by_clip(captions, "caption")}
    return Batches(
        clips=clips,
        clip_ids=ids,
        texts=dict(texts),
        tokenizer=tokenizer,
        num_frames=4,
        max_tokens=30,
        batch_size=5,
        seed=settings.seed,
        with_frame=True,
    )


@pytest.mark.parametrize("clips", [None, 11])
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("workers", [0, 1])
def test_clips_order_and_texts_are_those_of_the_plain_lists(
    inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path, clips: int | None, cached: bool, workers: int
) -> None:
    if not cached:
        inputs = {role: path for role, path in inputs.items() if role != "frames"}
    settings = PretrainCell(
        model=ModelSettings(num_frames=4),
        frames=FRAMES,
        terms=OBJECTIVES["d"],
        optim=OptimSettings(steps=3, batch_size=5),
        max_tokens=30,
        validate_every=None,
        clips=clips,
        seed=2,
    )
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)
    ours, theirs = _batches(settings, inputs, tokenizer, Run(work=tmp_path)), plain(settings, inputs, tokenizer)
    assert list(ours.clip_ids) == list(theirs.clip_ids)
    assert len(ours.clip_ids) == (clips or 16)
    wanted = set(theirs.clip_ids)
    for role, texts in theirs.texts.items():
        assert dict(ours.texts[role]) == {i: known for i, known in texts.items() if i in wanted}
    for one, other in zip(stream(ours, 1, 4, workers), stream(theirs, 1, 4, 0), strict=True):
        assert torch.equal(one.input_ids, other.input_ids)
        assert torch.equal(one.video, other.video)
        assert all(torch.equal(one.present[role], other.present[role]) for role in one.roles)
