"""The ranks of one gallery by direction, and the figures that are read from them (paper section 4).

t2v and v2t are the headline. `_dsl` (dual softmax) sees all test queries at once, `_qb` (QB-Norm) a bank of training
queries. Where further right answers are given, `_any` takes the best right answer of a query, and `_all` asks for every
right answer, the others of its query being no rivals.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from clipvip.evaluation.ranks import (
    Ranks,
    dual_softmax,
    match_ranks,
    mean_log2_rank,
    mean_rank,
    median_rank,
    qb_norm,
    recall,
    similarities,
    similarity_ranks,
)
from clipvip.evaluation.validation import RECALLS, Split

Pairs = list[tuple[int, int]]  # query, right item


def both_ways(videos: Float[Tensor, "clips dim"], texts: Float[Tensor, "texts dim"], split: Split) -> dict[str, Ranks]:
    """Ranks text-to-video and video-to-text."""
    return {"t2v": match_ranks(texts, videos, split.owner), "v2t": match_ranks(videos, texts, split.owned())}


def transductive(
    videos: Float[Tensor, "clips dim"], texts: Float[Tensor, "texts dim"], split: Split
) -> dict[str, Ranks]:
    """The same with dual softmax, each direction with its own normaliser."""
    similarity = similarities(texts, videos)
    return {
        "t2v_dsl": similarity_ranks(dual_softmax(similarity), split.owner),
        "v2t_dsl": similarity_ranks(dual_softmax(similarity.T.contiguous()), split.owned()),
    }


def against_hubs(
    videos: Float[Tensor, "clips dim"],
    texts: Float[Tensor, "texts dim"],
    split: Split,
    bank: tuple[Float[Tensor, "bank_clips dim"], Float[Tensor, "bank_texts dim"]],
) -> dict[str, Ranks]:
    """The same with QB-Norm: texts of the training split, or its videos, say which items are hubs."""
    bank_videos, bank_texts = bank
    to_videos = qb_norm(similarities(texts, videos), similarities(bank_texts, videos))
    to_texts = qb_norm(similarities(videos, texts), similarities(bank_videos, texts))
    return {
        "t2v_qb": similarity_ranks(to_videos, split.owner),
        "v2t_qb": similarity_ranks(to_texts, split.owned()),
    }


def right_pairs(split: Split, further: Sequence[set[int]]) -> tuple[Pairs, Pairs]:
    """All (text, right clip), and all (clip, right text), in order; `further`: clips of each text besides its own."""
    owners = split.owner.tolist()
    pairs = [(text, clip) for text, own in enumerate(owners) for clip in sorted({own} | further[text])]
    return pairs, sorted((clip, text) for text, clip in pairs)


def any_right(
    videos: Float[Tensor, "clips dim"], texts: Float[Tensor, "texts dim"], pairs: tuple[Pairs, Pairs]
) -> dict[str, Ranks]:
    """A rank a query, of its best right answer."""
    return {
        "t2v_any": match_ranks(texts, videos, _matches(pairs[0], len(texts))),
        "v2t_any": match_ranks(videos, texts, _matches(pairs[1], len(videos))),
    }


def all_right(
    videos: Float[Tensor, "clips dim"], texts: Float[Tensor, "texts dim"], pairs: tuple[Pairs, Pairs]
) -> dict[str, Ranks]:
    """A rank a pair of query and right answer: 1 + wrong items that are nearer, so all right ones can be at 1."""
    similarity = similarities(texts, videos)
    return {"t2v_all": _against_wrong(similarity, pairs[0]), "v2t_all": _against_wrong(similarity.T, pairs[1])}


def _against_wrong(similarity: Float[Tensor, "query item"], pairs: Pairs) -> Ranks:
    better, tied = [], []
    for scores, right in zip(similarity, _matches(pairs, len(similarity)), strict=True):
        wrong = torch.ones_like(scores, dtype=torch.bool).index_fill_(0, right, False)
        rivals, own = scores[wrong][None], scores[right][:, None]
        better.append((rivals > own).sum(dim=1))
        tied.append((rivals == own).sum(dim=1))
    best = 1 + torch.cat(better).double().cpu()
    worst = best + torch.cat(tied).double().cpu()
    return Ranks((best + worst) / 2, best, worst)


def _matches(pairs: Pairs, num_queries: int) -> list[Tensor]:
    found: list[list[int]] = [[] for _ in range(num_queries)]
    for query, item in pairs:
        found[query].append(item)
    return [torch.tensor(items) for items in found]


def joined(ranks: Sequence[Ranks]) -> Ranks:
    """The queries of several galleries as one list."""
    return Ranks(*(torch.cat(parts) for parts in zip(*ranks, strict=True)))


def figures(ranks: dict[str, Ranks]) -> dict[str, float]:
    """Recalls in percent, median, mean and mean log2 rank, by direction."""
    found: dict[str, float] = {}
    for direction, each in ranks.items():
        found |= {f"{direction}/R@{k}": recall(each, k) for k in RECALLS}
        found |= {f"{direction}/MdR": median_rank(each), f"{direction}/MnR": mean_rank(each)}
        found[f"{direction}/log2R"] = mean_log2_rank(each)
    return found
