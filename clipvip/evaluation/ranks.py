"""Exact retrieval ranks by counting, and the measures read from them (paper section 4: R@k, MdR, MnR; and log2R).

A rank is 1 + the number of better rivals; ties are neither won nor lost: every rank carries the place it would
have with all its ties won (`best`), with all of them lost (`worst`), and the middle of the two. An all-equal
4 x 4 matrix gives rank 2.5 four times and R@1 of 25 %. Where a query has several right answers its best one
counts, the other right answers are no rivals, and its rivals are all gallery items that are wrong for it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Float64, Int
from torch import Tensor

MAX_SCORES = 2**22  # scores held at once: 16 MB in float32, whatever the gallery; larger is slower (page faults)

Matches = Int[Tensor, " query"] | Sequence[Tensor]


class Ranks(NamedTuple):
    """One rank a query, 1-based, float64, on the CPU."""

    rank: Float64[Tensor, " query"]  # middle of the ties
    best: Float64[Tensor, " query"]  # every tie won
    worst: Float64[Tensor, " query"]  # every tie lost


def similarities(
    queries: Float[Tensor, "query dim"], gallery: Float[Tensor, "item dim"]
) -> Float[Tensor, "query item"]:
    """Dot products of all pairs; equal vectors get equal scores to the last bit on either side.

    A matrix product rounds by the position of a column, so copies (one text that fits two clips) could be told
    apart by noise: each distinct vector is multiplied once.
    """
    rows, row_of = torch.unique(_full(queries), dim=0, return_inverse=True)
    columns, column_of = torch.unique(_full(gallery), dim=0, return_inverse=True)
    scores: Tensor = rows @ columns.T
    return scores[row_of][:, column_of]


def match_ranks(
    queries: Float[Tensor, "query dim"],
    gallery: Float[Tensor, "item dim"],
    matches: Matches,
    *,
    chunk_size: int = 1024,
) -> Ranks:
    """The rank of each query's right item among all items by dot product.

    `matches` is the index of the right item of each query, or per query a tensor of the indices of all its right
    items. At most `chunk_size` queries and `MAX_SCORES` scores are held at once. ValueError: a value that is not
    finite (named by its row), or matches that do not fit.

    Example: the third text is nearer to the first video than to its own.
        >>> texts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> videos = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> match_ranks(texts, videos, torch.arange(3)).rank.tolist()
        [1.0, 1.0, 2.0]
    """
    for name, table in (("queries", queries), ("gallery", gallery)):
        _refuse(~torch.isfinite(table), name, "holds a value that is not finite")
    right = _right(matches, len(queries), len(gallery)).to(gallery.device)
    queries, gallery = _full(queries), _full(gallery)
    # Copies are multiplied once, so that no rounding breaks their tie (see `similarities`).
    distinct, item_of = torch.unique(gallery, dim=0, return_inverse=True)
    columns = gallery if len(distinct) == len(gallery) else distinct
    step = max(1, min(chunk_size, len(queries), MAX_SCORES // len(gallery)))
    product = gallery.new_empty(step, len(columns))  # held once: fresh pages for every chunk cost more than the sums
    scores = product if columns is gallery else gallery.new_empty(step, len(gallery))
    counter = _Counter(right, scores)
    for start in range(0, len(queries), step):
        chunk = queries[start : start + step]
        torch.mm(chunk, columns.T, out=product[: len(chunk)])
        if scores is not product:
            torch.index_select(product[: len(chunk)], 1, item_of, out=scores[: len(chunk)])
        counter.add(start, scores[: len(chunk)])
    return counter.ranks()


def similarity_ranks(similarity: Float[Tensor, "query item"], matches: Matches, *, chunk_size: int = 1024) -> Ranks:
    """The same for a full matrix, as dual softmax needs it. ValueError: NaN (named by its row) or bad matches."""
    _refuse(torch.isnan(similarity), "similarity", "holds NaN")
    right = _right(matches, *similarity.shape).to(similarity.device)
    counter = _Counter(right, similarity[:chunk_size])
    for start in range(0, len(similarity), chunk_size):
        counter.add(start, similarity[start : start + chunk_size])
    return counter.ranks()


def recall(ranks: Ranks, k: int) -> float:
    """R@k in percent: its expectation when ties are broken at random, so a tie across place k counts in part."""
    share = (k - ranks.best + 1) / (ranks.worst - ranks.best + 1)
    return 100 * share.clamp(0, 1).mean().item()


def recall_bounds(ranks: Ranks, k: int) -> tuple[float, float]:
    """R@k in percent with every tie lost, and with every tie won."""
    return 100 * (ranks.worst <= k).double().mean().item(), 100 * (ranks.best <= k).double().mean().item()


def median_rank(ranks: Ranks) -> float:
    """MdR: median of the mid-ranks; of an even number, the mean of the middle two."""
    return ranks.rank.median().item() if len(ranks.rank) % 2 else ranks.rank.quantile(0.5).item()


def mean_rank(ranks: Ranks) -> float:
    """MnR: mean of the mid-ranks."""
    return ranks.rank.mean().item()


def mean_log2_rank(ranks: Ranks) -> float:
    """log2R: mean of log2(rank), its expectation when ties are broken at random; 1 less is half the rank.

    A tie over the places b to w gives (log2 w! - log2 (b - 1)!) / (w - b + 1).
    """
    logs = torch.lgamma(ranks.worst + 1) - torch.lgamma(ranks.best)
    return (logs / (ranks.worst - ranks.best + 1)).mean().item() / math.log(2)


def dual_softmax(similarity: Float[Tensor, "query item"], temperature: float = 100.0) -> Float64[Tensor, "query item"]:
    """DSL: each score times its item's softmax over all queries. Transductive: it sees all test queries at once.

    It is for ranking the items of each query. The other direction has its own normaliser: pass the transpose and
    rank its rows; transposing the result instead would leave the ranks of that direction as they were. A negative
    score is divided, so that a larger share raises it too; positive ones follow the published formula.
    """
    # Equal items are computed once and in float64: neither rounding nor underflow may make or break a tie.
    distinct, item_of = torch.unique(similarity.double(), dim=1, return_inverse=True)
    share = (temperature * distinct).softmax(dim=0).clamp(min=torch.finfo(torch.float64).tiny)
    return torch.where(distinct >= 0, distinct * share, distinct / share)[:, item_of]


def qb_norm(
    similarity: Float[Tensor, "query item"],
    bank_similarity: Float[Tensor, "bank item"],
    *,
    temperature: float = 20.0,
    num_active: int = 1,
) -> Float64[Tensor, "query item"]:
    """QB-Norm with the dynamic inverted softmax: hub items are held down by how a bank of training queries likes them.

    Only queries whose best item is among the `num_active` best of some bank query are normalised. Scores are
    logarithms, comparable within a row only. Not transductive: the bank holds no test query.
    """
    distinct, item_of = torch.unique(bank_similarity.double(), dim=1, return_inverse=True)
    weight = (temperature * distinct).logsumexp(dim=0)[item_of]
    active = torch.zeros(similarity.shape[1], dtype=torch.bool, device=similarity.device)
    active[rearrange(bank_similarity.topk(num_active, dim=1).indices, "bank best -> (bank best)")] = True
    hub = rearrange(active[similarity.argmax(dim=1)], "query -> query 1")
    return torch.where(hub, temperature * similarity.double() - weight, temperature * similarity.double())


def _full(table: Tensor) -> Tensor:
    """Single precision at least: half would make ties of its own."""
    table = table.detach()
    return table.float() if table.dtype in (torch.float16, torch.bfloat16) else table


def _refuse(bad: Tensor, name: str, what: str) -> None:
    rows = bad.any(dim=1).nonzero().flatten().tolist()
    if rows:
        raise ValueError(f"{name}: row {rows[0]} {what} ({len(rows)} of {len(bad)} rows do)")


def _right(matches: Matches, num_queries: int, num_items: int) -> Tensor:
    """Indices of the right items, [query, most], filled up with -1."""
    if len(matches) != num_queries or num_queries == 0:
        raise ValueError(f"matches: {len(matches)} for {num_queries} queries; give one a query, and at least one query")
    if isinstance(matches, Tensor):
        right = rearrange(matches.long(), "query -> query 1")
    else:
        rows = [row.long() if len(row) == 1 else torch.unique(row.long()) for row in matches]
        right = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        empty = [i for i, row in enumerate(rows) if len(row) == 0 or row[0] < 0]
        if empty:
            raise ValueError(f"matches: query {empty[0]} has no right item, or a negative index")
    wrong = (right.amax(dim=1) < 0) | (right.amax(dim=1) >= num_items)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(f"matches: query {row} points at item {right[row].amax()} of a gallery of {num_items}")
    return right


class _Counter:
    """Counts better and tied rivals chunk by chunk, into one buffer."""

    def __init__(self, right: Tensor, scores: Tensor) -> None:
        self.right = right
        self.flags = torch.empty_like(scores, dtype=torch.bool)
        self.better = torch.zeros(len(right), dtype=torch.int64)
        self.tied = torch.zeros(len(right), dtype=torch.int64)

    def add(self, start: int, scores: Tensor) -> None:
        """A right item's own score is read from the same product as its rivals'."""
        rows = slice(start, start + len(scores))
        right, flags = self.right[rows], self.flags[: len(scores)]
        present = right >= 0
        answers = scores.gather(1, right.clamp(min=0)).masked_fill(~present, -torch.inf)
        own = answers.amax(dim=1, keepdim=True)
        self.better[rows] = _total(torch.gt(scores, own, out=flags))
        self.tied[rows] = _total(torch.eq(scores, own, out=flags)) - _total((answers == own) & present)

    def ranks(self) -> Ranks:
        best, worst = 1 + self.better.double(), 1 + (self.better + self.tied).double()
        return Ranks((best + worst) / 2, best, worst)


def _total(flags: Tensor) -> Tensor:
    """True values of each row; as bytes, because the sum of a bool tensor first makes an int64 copy."""
    return flags.view(torch.uint8).sum(dim=1, dtype=torch.int32).cpu()
