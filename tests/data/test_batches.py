"""Batches: a function of seed and step; no clip twice in an epoch; the cache gives what decoding gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from clipvip.config.data import FramesSettings
from clipvip.data import manifest
from clipvip.data.batches import Batch, Batches, padded, texts_by_clip, token_rows, tokenize
from clipvip.data.clips import open_clips
from clipvip.data.loader import stream

FRAMES = FramesSettings(size=24)


def batches(inputs: dict[str, Path], clip_folder: Path, **change: Any) -> Batches:
    texts = texts_by_clip(manifest.read(inputs["corpus"], split="train"))
    settings: dict[str, Any] = {
        "clips": open_clips(inputs, FRAMES),
        "clip_ids": list(texts),
        "texts": {"subtitle": texts},
        "tokenizer": AutoTokenizer.from_pretrained(clip_folder),
        "num_frames": 4,
        "max_tokens": 77,
        "batch_size": 5,
        "seed": 0,
    }
    return Batches(**{**settings, **change})


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a.video, b.video) and torch.equal(a.input_ids, b.input_ids)


def test_a_batch_depends_on_seed_and_step_alone(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    one, two = batches(corpus_inputs, tiny_clip_folder), batches(corpus_inputs, tiny_clip_folder)
    in_order = [one[step] for step in range(7)]
    assert same(two[6], in_order[6])
    assert same(two[2], in_order[2])
    assert not same(batches(corpus_inputs, tiny_clip_folder, seed=1)[2], in_order[2])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_can_start_anywhere(corpus_inputs: dict[str, Path], tiny_clip_folder: Path, workers: int) -> None:
    one = batches(corpus_inputs, tiny_clip_folder)
    assert all(same(got, one[step]) for step, got in zip(range(4, 7), stream(one, 4, 7, workers), strict=True))


def test_an_epoch_draws_no_clip_twice(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    texts = {f"clip{i}": [f"clip{i}"] for i in range(16)}
    one = batches(corpus_inputs, tiny_clip_folder)
    one = batches(corpus_inputs, tiny_clip_folder, texts={"subtitle": {i: [i] for i in one.clip_ids}})
    assert len(texts) == len(one.clip_ids)
    assert len(one) == 16 // 5
    for epoch in range(3):
        rows = [tuple(ids.tolist()) for step in range(3) for ids in one[3 * epoch + step].input_ids]
        assert len(set(rows)) == 15


def test_absent_texts_are_marked(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    one = batches(corpus_inputs, tiny_clip_folder)
    known = {clip_id: ["a caption"] for clip_id in one.clip_ids[::2]}
    one = batches(
        corpus_inputs, tiny_clip_folder, texts={**one.texts, "caption": known}, batch_size=16, with_frame=True
    )
    batch = one[0]
    assert batch.roles == ("subtitle", "caption")
    assert batch.present["subtitle"].all()
    assert batch.present["caption"].sum() == 8
    assert batch.frame is not None
    assert batch.frame.shape == (16, 1, 24, 24, 3)
    assert len(batch.input_ids) == 32


def test_decoding_as_read_gives_what_the_cache_gives(corpus_inputs: dict[str, Path]) -> None:
    cached = open_clips(corpus_inputs, FRAMES)
    decoded = open_clips({"corpus": corpus_inputs["corpus"]}, FRAMES)
    for clip_id in list(manifest.read(corpus_inputs["corpus"])["clip_id"].unique())[:4]:
        for seed in (None, 3):
            draw = [None if seed is None else np.random.default_rng(seed) for _ in range(2)]
            assert np.array_equal(cached.sample(clip_id, 4, draw[0]), decoded.sample(clip_id, 4, draw[1]))
        assert np.array_equal(cached.middle(clip_id), decoded.middle(clip_id))


def test_texts_are_padded_to_the_longest_of_the_batch(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    batch = batches(corpus_inputs, tiny_clip_folder)[0]
    assert int(batch.attention_mask.sum(dim=1).max()) == batch.input_ids.shape[1]
    assert batches(corpus_inputs, tiny_clip_folder, max_tokens=6)[0].input_ids.shape[1] == 6


def test_one_clip_is_not_enough(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    with pytest.raises(ValueError, match="at least two clips"):
        batches(corpus_inputs, tiny_clip_folder, clip_ids=["video0"])


def test_the_last_batch_may_be_kept(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    """16 clips in batches of 5: a fourth one with the last; processes share it, and refuse what is too little."""
    ids = batches(corpus_inputs, tiny_clip_folder).clip_ids
    kept = batches(corpus_inputs, tiny_clip_folder, texts={"subtitle": {i: [i] for i in ids}}, keep_partial=True)
    assert (len(kept), kept.per_epoch) == (4, 3.2)
    assert [len(kept[step].video) for step in range(5)] == [5, 5, 5, 1, 5]
    rows = {tuple(row) for step in range(4) for row in kept[step].input_ids.tolist()}
    assert len(rows) == 16
    whole = batches(corpus_inputs, tiny_clip_folder)
    assert all(
        same(batches(corpus_inputs, tiny_clip_folder, keep_partial=True)[step], whole[step]) for step in range(3)
    )
    assert (len(whole), whole.per_epoch) == (3, 3.0)
    with pytest.raises(ValueError, match="2 processes cannot share the last 1 clips of an epoch; start fewer"):
        batches(corpus_inputs, tiny_clip_folder, keep_partial=True, part=(0, 2))


def test_texts_drawn_again_have_the_tokens_of_the_tokenizer(tiny_clip_folder: Path) -> None:
    tokenizer, known = AutoTokenizer.from_pretrained(tiny_clip_folder), dict[str, np.ndarray]()
    batches = [["a red ring", "", "a"], ["a", "a red ring grows, then turns blue", "a"], ["", "a red ring"], ["a"] * 2]
    for texts in batches:
        for most in (4, 77):
            rows = token_rows(tokenizer, texts, most, known if most == 77 else {})
            again = padded(rows, tokenizer.pad_token_id)
            for found, expected in zip(again, tokenize(tokenizer, texts, most), strict=True):
                assert torch.equal(found, expected)
                assert found.dtype == expected.dtype
    assert sorted(known) == ["", "a", "a red ring", "a red ring grows, then turns blue"]
