"""Ranks by counting against similarity and a full sort: `make bench` prints the ratio."""

import pytest
import torch
from extent import FULL, ROUNDS, SLACK, THREADS
from marks import Mark, Row, missed, quotient, table
from measure import alternate
from torch import Tensor

from clipvip.evaluation.ranks import match_ranks


def drawn(count: int, dim: int) -> tuple[Tensor, Tensor]:
    """Unit queries and gallery, each query near its item."""
    generator = torch.Generator().manual_seed(0)
    gallery = torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=-1)
    queries = gallery + 0.2 * torch.randn(count, dim, generator=generator)
    return torch.nn.functional.normalize(queries, dim=-1), gallery


def sorted_ranks(queries: Tensor, gallery: Tensor) -> Tensor:
    """The place of the right item in a full sort, as is common."""
    order = (queries @ gallery.T).argsort(dim=1, descending=True)
    return 1 + (order == torch.arange(len(queries))[:, None]).int().argmax(dim=1)


def ranks_row(count: int, dim: int, rounds: int) -> Row:
    queries, gallery = drawn(count, dim)
    own = torch.arange(count)
    times = alternate(
        {
            "counted": lambda: match_ranks(queries, gallery, own),
            "sorted": lambda: sorted_ranks(queries, gallery),
        },
        rounds,
    )
    return quotient(
        f"ranks of {count:,} x {count:,}, counted against sorted", times, "sorted", "counted", Mark(least=2.5)
    )


@pytest.mark.slow
def test_table() -> None:
    torch.set_num_threads(THREADS)
    rows = [ranks_row(5000 if FULL else 2000, 512, 3 * ROUNDS)]
    print("\n" + table(rows, SLACK))
    assert not missed(rows, SLACK)


def test_in_the_small() -> None:
    row = ranks_row(300, 16, 1)
    assert 0 < row.low <= row.figure <= row.high
    queries, gallery = drawn(300, 16)
    assert torch.equal(match_ranks(queries, gallery, torch.arange(300)).rank, sorted_ranks(queries, gallery).double())
