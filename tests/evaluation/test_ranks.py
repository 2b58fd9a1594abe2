"""Ranks against brute force, ties, several right answers, and the transductive scores."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipvip.evaluation import ranks
from clipvip.evaluation.ranks import Ranks


@st.composite
def _scores(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """A small matrix with many ties, and the right items of each row."""
    num_items = draw(st.integers(1, 6))
    row = st.lists(st.integers(0, 3), min_size=num_items, max_size=num_items)
    scores = draw(st.lists(row, min_size=1, max_size=6))
    right = st.lists(st.integers(0, num_items - 1), min_size=1, max_size=3, unique=True)
    return scores, [draw(right) for _ in scores]


def _brute(row: list[int], right: list[int]) -> tuple[int, int]:
    """Best and worst place of the best right item, by sorting it among its rivals."""
    own = max(row[i] for i in right)
    rivals = [score for i, score in enumerate(row) if i not in right]
    won = sorted([(-score, 1) for score in rivals] + [(-own, 0)])
    lost = sorted([(-score, 0) for score in rivals] + [(-own, 1)])
    return won.index((-own, 0)) + 1, lost.index((-own, 1)) + 1


@settings(max_examples=200, deadline=None)
@given(_scores(), st.integers(1, 4))
def test_ranks_equal_brute_force(case: tuple[list[list[int]], list[list[int]]], chunk_size: int) -> None:
    scores, right = case
    matches = [torch.tensor(row) for row in right]
    found = ranks.similarity_ranks(torch.tensor(scores, dtype=torch.float32), matches, chunk_size=chunk_size)
    expected = [_brute(row, answers) for row, answers in zip(scores, right, strict=True)]
    assert found.best.tolist() == [best for best, _ in expected]
    assert found.worst.tolist() == [worst for _, worst in expected]
    assert found.rank.tolist() == [(best + worst) / 2 for best, worst in expected]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_embeddings_give_the_ranks_of_their_matrix(seed: int, chunk_size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randint(-2, 3, (8, 3), generator=generator).float()  # small integers: products are exact
    gallery = torch.randint(-2, 3, (6, 3), generator=generator).float()
    matches = torch.randint(0, 6, (8,), generator=generator)
    found = ranks.match_ranks(queries, gallery, matches, chunk_size=chunk_size)
    full = ranks.similarity_ranks(queries @ gallery.T, matches)
    assert all(torch.equal(a, b) for a, b in zip(found, full, strict=True))


def test_all_equal_matrix() -> None:
    found = ranks.similarity_ranks(torch.ones(4, 4), torch.arange(4))
    assert found.rank.tolist() == [2.5] * 4
    assert ranks.recall(found, 1) == 25
    assert ranks.recall(found, 2) == 50
    assert ranks.recall_bounds(found, 1) == (0, 100)
    assert ranks.median_rank(found) == ranks.mean_rank(found) == 2.5
    assert ranks.mean_log2_rank(found) == pytest.approx((0 + 1 + math.log2(3) + 2) / 4)


@settings(max_examples=50, deadline=None)
@given(_scores(), st.integers(1, 6))
def test_recall_is_the_mean_over_all_orders_of_the_ties(case: tuple[list[list[int]], list[list[int]]], k: int) -> None:
    scores, _ = case
    found = ranks.similarity_ranks(torch.tensor(scores).float(), torch.zeros(len(scores), dtype=torch.long))
    places = [range(int(b), int(w) + 1) for b, w in zip(found.best, found.worst, strict=True)]
    shares = [sum(place <= k for place in row) / len(row) for row in places]
    assert ranks.recall(found, k) == pytest.approx(100 * sum(shares) / len(shares))
    low, high = ranks.recall_bounds(found, k)
    assert low - 1e-9 <= ranks.recall(found, k) <= high + 1e-9


def test_recall_bounds_by_hand() -> None:
    best, worst = torch.tensor([1.0, 2.0, 3.0, 4.0]).double(), torch.tensor([1.0, 4.0, 3.0, 4.0]).double()
    found = Ranks((best + worst) / 2, best, worst)
    assert ranks.recall_bounds(found, 3) == (50, 75)
    assert ranks.recall_bounds(found, 2) == (25, 50)


def test_medians() -> None:
    place = torch.tensor([1.0, 4.0, 2.0, 9.0], dtype=torch.float64)
    assert ranks.median_rank(Ranks(place, place, place)) == 3
    assert ranks.median_rank(Ranks(place[:3], place[:3], place[:3])) == 2
    assert ranks.mean_rank(Ranks(place, place, place)) == 4


@pytest.mark.parametrize("copies", [2, 3, 5, 9, 17, 63, 100])
def test_copies_tie_to_the_last_bit(copies: int) -> None:
    generator = torch.Generator().manual_seed(copies)
    item = torch.randn(1, 64, generator=generator)
    gallery = torch.cat([item.repeat(copies, 1), torch.zeros(3, 64)])
    queries = torch.cat([item] * 7)
    found = ranks.match_ranks(queries, gallery, torch.arange(7) % copies)
    assert found.best.tolist() == [1] * 7
    assert found.worst.tolist() == [copies] * 7
    scores = ranks.similarities(torch.randn(33, 64, generator=generator), gallery)
    assert (scores[:, :copies] == scores[:, :1]).all()
    assert torch.allclose(ranks.similarities(queries, gallery), queries @ gallery.T, atol=1e-4)
    dual = ranks.dual_softmax(scores)
    assert (dual[:, :copies] == dual[:, :1]).all()
    bank = ranks.qb_norm(scores, scores)
    assert (bank[:, :copies] == bank[:, :1]).all()


def test_copies_tie_whatever_the_product_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that is off by the place of the column, as some are in their last bits."""
    exact = torch.mm

    def rounded(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        exact(left, right, out=out)
        return out.add_(1e-3 * torch.arange(right.shape[1]))

    monkeypatch.setattr(torch, "mm", rounded)
    gallery = torch.tensor([[3.0], [2.0], [3.0], [1.0], [3.0]])
    found = ranks.match_ranks(torch.ones(2, 1), gallery, torch.tensor([4, 1]))
    assert found.best.tolist() == [1, 4]
    assert found.worst.tolist() == [3, 4]
    alone = ranks.match_ranks(torch.ones(2, 1), gallery[1:4], torch.tensor([1, 2]))  # no copies
    assert alone.worst.tolist() == alone.best.tolist() == [1, 3]


def test_several_right_items_are_no_rivals() -> None:
    similarity = torch.tensor([[0.9, 0.8, 0.7, 0.1], [0.9, 0.8, 0.7, 0.7]])
    found = ranks.similarity_ranks(similarity, [torch.tensor([1, 2]), torch.tensor([2])])
    assert found.best.tolist() == [2, 3]
    assert found.worst.tolist() == [2, 4]


def test_half_precision_makes_no_ties() -> None:
    queries = torch.tensor([[1.0, 1.0]], dtype=torch.bfloat16)
    gallery = torch.tensor([[256.0, 0.0], [256.0, 1.0]], dtype=torch.bfloat16)  # 257 is no bfloat16
    assert ranks.match_ranks(queries, gallery, torch.tensor([1])).worst.tolist() == [1]


def test_bad_values_are_named() -> None:
    queries, gallery = torch.ones(3, 2), torch.ones(4, 2)
    broken = queries.clone()
    broken[1, 0] = math.nan
    with pytest.raises(ValueError, match="queries: row 1 "):
        ranks.match_ranks(broken, gallery, torch.arange(3))
    with pytest.raises(ValueError, match="gallery: row 1 "):
        ranks.match_ranks(gallery[:3], broken, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="similarity: row 1 "):
        ranks.similarity_ranks(broken, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="query 2 points at item 4 of a gallery of 4"):
        ranks.match_ranks(queries, gallery, torch.tensor([0, 1, 4]))
    with pytest.raises(ValueError, match="2 for 3 queries"):
        ranks.match_ranks(queries, gallery, [torch.tensor([0]), torch.tensor([1])])
    with pytest.raises(ValueError, match="query 1 has no right item"):
        ranks.match_ranks(queries, gallery, [torch.tensor([0]), torch.tensor([], dtype=torch.long), torch.tensor([1])])
    with pytest.raises(ValueError, match="query 0 points at item -1"):
        ranks.match_ranks(queries, gallery, torch.tensor([-1, 0, 0]))


def test_dual_softmax_follows_the_published_formula_and_each_direction_has_its_own() -> None:
    similarity = torch.rand(5, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(5, 7, dtype=torch.float64)
    for j in range(7):
        total = sum(math.exp(10 * similarity[i, j].item()) for i in range(5))
        for i in range(5):
            expected[i, j] = similarity[i, j].item() * math.exp(10 * similarity[i, j].item()) / total
    forth, back = ranks.dual_softmax(similarity, 10.0), ranks.dual_softmax(similarity.T, 10.0)
    assert torch.allclose(forth, expected)
    assert not torch.allclose(forth.T, back)


def test_dual_softmax_changes_the_ranks_of_both_directions() -> None:
    similarity = torch.tensor([[0.50, 0.60], [0.10, 0.90]])  # item 1 is a hub
    pairs = torch.arange(2)
    assert ranks.similarity_ranks(similarity, pairs).rank.tolist() == [2, 1]
    assert ranks.similarity_ranks(ranks.dual_softmax(similarity), pairs).rank.tolist() == [1, 1]
    hub = similarity.T.contiguous()
    assert ranks.similarity_ranks(hub.T, pairs).rank.tolist() == [2, 1]
    assert ranks.similarity_ranks(ranks.dual_softmax(hub.T), pairs).rank.tolist() == [1, 1]


def test_dual_softmax_of_negative_and_far_scores() -> None:
    revised = ranks.dual_softmax(torch.tensor([[-0.5, -0.5], [-0.9, -0.1]]))
    assert revised[0, 0] > revised[0, 1]  # equal scores: the item that the other query does not want
    far = ranks.dual_softmax(torch.tensor([[0.1, 0.2], [0.99, 0.99]]), temperature=300.0)
    assert 0 < far[0, 0] < far[0, 1]  # in float32 both would be zero, a tie


def test_qb_norm_holds_down_hubs_only() -> None:
    similarity = torch.tensor([[0.50, 0.52, 0.10], [0.90, 0.10, 0.20]])
    bank = torch.tensor([[0.1, 0.9, 0.2], [0.2, 0.8, 0.1]])  # both bank queries like item 1
    revised = ranks.qb_norm(similarity, bank, temperature=20.0)
    pairs = torch.tensor([0, 0])
    assert ranks.similarity_ranks(similarity, pairs).rank.tolist() == [2, 1]
    assert ranks.similarity_ranks(revised, pairs).rank.tolist() == [1, 1]
    assert torch.equal(revised[1], 20 * similarity[1].double())  # its best item is no hub: left as it was
    total = math.exp(20 * 0.1) + math.exp(20 * 0.2)
    assert revised[0, 0].item() == pytest.approx(20 * 0.5 - math.log(total), rel=1e-6)


MEASURE = """
import sys, torch
from clipvip.evaluation import ranks

def kilobytes(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

num_queries, num_items, dim = map(int, sys.argv[1:])
torch.set_num_threads(1)
x = torch.randn(num_items, dim)
ranks.match_ranks(x[:2], x[:2], torch.arange(2))
before = kilobytes("VmRSS:")
found = ranks.match_ranks(x[:num_queries], x, torch.arange(num_queries), chunk_size=10**9)
assert (found.rank == 1).any()
print(kilobytes("VmHWM:") - before)
"""


def _growth_over_scores(num_queries: int, num_items: int, dim: int) -> float:
    """Peak of resident memory over what was there before the call, as a share of the whole matrix of scores.

    `ru_maxrss` would not do: a process starts with that of the one that started it.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("resident memory is read from /proc")
    command = [sys.executable, "-c", MEASURE, *map(str, (num_queries, num_items, dim))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024 / (4 * num_queries * num_items)


def test_memory_is_bounded_whatever_the_chunk() -> None:
    assert _growth_over_scores(10_000, 40_000, 4) < 0.25  # of 1.6 GB


@pytest.mark.slow
def test_a_hundred_thousand_by_a_hundred_thousand() -> None:
    assert _growth_over_scores(100_000, 100_000, 64) < 0.02  # of 40 GB
