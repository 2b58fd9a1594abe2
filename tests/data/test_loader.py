"""Batches read by parts into shared slots, against whole batches read here; the bound holds; faults come through."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_batches import batches

from clipvip.data.batches import Batch, drawn_order
from clipvip.data.loader import SPARE, Plan, _Coming, plan, stream


def same(one: Batch, other: Batch) -> bool:
    both = zip(one.tensors(), other.tensors(), strict=True)
    return one.roles == other.roles and all(torch.equal(a, b) and a.dtype == b.dtype for a, b in both)


@pytest.mark.parametrize("micro_batch", [None, 2, 3])
@pytest.mark.parametrize("bound", [None, 5 * 5 * 24 * 24 * 3])  # of five clips: parts of one
@pytest.mark.parametrize("change", [{}, {"with_frame": True, "keep_partial": True, "part": (1, 2), "batch_size": 10}])
def test_parts_give_the_batches_that_are_read_whole(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, bound: int | None, micro_batch: int | None, change: Any
) -> None:
    one = batches(corpus_inputs, tiny_clip_folder, **change)
    ids = one.clip_ids
    one = dataclasses.replace(one, texts={"subtitle": {i: [f"{i} {'a ' * n}"] for n, i in enumerate(ids)}})
    one = dataclasses.replace(one, texts={**one.texts, "caption": {i: ["b", f"c {i}"] for i in ids[::2]}})
    found = list(stream(one, 1, 7, 2, bound=bound, micro_batch=micro_batch))  # over two epochs and a partial batch
    assert len(found) == 6
    assert all(same(batch, one[step]) for step, batch in zip(range(1, 7), found, strict=True))


def test_a_tokenizer_that_pads_on_the_left_sees_the_whole_batch(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path
) -> None:
    one = batches(corpus_inputs, tiny_clip_folder)
    one.tokenizer.padding_side = "left"
    for step, batch in zip(range(3), stream(one, 0, 3, 2, micro_batch=2), strict=True):
        assert same(batch, one[step])
        assert batch.attention_mask[:, -1].all()


@pytest.mark.parametrize("clips", [1, 5, 64, 1024])
@pytest.mark.parametrize("workers", [1, 12])
@pytest.mark.parametrize("bound", [None, 14 * 10, 100 * 10, 5000 * 10])
@pytest.mark.parametrize("micro_batch", [None, 7])
def test_what_is_read_ahead_stays_within_the_bound(
    clips: int, workers: int, bound: int | None, micro_batch: int | None
) -> None:
    found = plan(clips, 10, workers, bound, micro_batch)
    assert bound is None or found.slots * found.rows * 10 <= bound
    assert found.slots == workers * found.ahead + SPARE
    assert 1 <= found.rows <= min(clips, micro_batch or clips)
    assert found.rows * workers * found.ahead <= 2 * clips + 3 * workers * found.rows  # two batches, and no more


def test_the_paper_s_batch() -> None:
    """1,024 clips of 13 pictures of 224 x 224 for 12 workers: 4.5 GB ahead, or what is allowed."""
    clip = 13 * 224 * 224 * 3
    assert plan(1024, clip, 12, None, None) == Plan(rows=86, slots=26, ahead=2)
    assert plan(1024, clip, 12, 16 * 10**9, 64) == Plan(rows=64, slots=38, ahead=3)
    small = plan(1024, clip, 12, 10**9, 64)
    assert small.slots * small.rows * clip <= 10**9


def test_a_bound_that_holds_no_clip_for_each_worker_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"run.loader_mb: 10 MB are too little for 12 workers .* at least 28, or fewer"
    ):
        plan(64, 2_000_000, 12, 10_000_000, None)


def test_slots_take_no_more_than_planned(corpus_inputs: dict[str, Path], tiny_clip_folder: Path) -> None:
    one = batches(corpus_inputs, tiny_clip_folder, with_frame=True)
    coming = _Coming(one, range(3), 2, Plan(rows=2, slots=6, ahead=2), None)
    assert coming.slots.shape == (6, 2, 4, 24, 24, 3)
    assert coming.stills.shape == (6, 2, 1, 24, 24, 3)
    assert coming.slots.is_shared()
    assert len(list(coming)) == 3


@pytest.mark.parametrize("shuffle", [None, 1, 3, 7, 16, 99])
def test_an_epoch_s_order_holds_every_clip_once(shuffle: int | None) -> None:
    order = drawn_order(16, shuffle, np.random.default_rng(0))
    assert sorted(order) == list(range(16))
    again = drawn_order(16, shuffle, np.random.default_rng(1))
    assert not np.array_equal(order, again)
    if shuffle is None:
        assert np.array_equal(order, np.random.default_rng(0).permutation(16))


def test_stretches_are_read_one_after_the_other() -> None:
    """For one of the ten places where the first stretch may end, each is read whole before the next begins."""
    order = drawn_order(95, 10, np.random.default_rng(3))

    def runs(first: int) -> int:
        return 1 + int(np.count_nonzero(np.diff((order - first) // 10)))

    assert min(runs(first) for first in range(1, 11)) in (10, 11)
    assert not np.array_equal(order, np.sort(order))
