"""Exact intervals for samples that resampling cannot tell anything of: it gives them no width, which is not certainty.

Each function gives half a width by tail: the largest error that a truth may have which shows such a sample with at
least this probability. What is drawn are clusters of queries.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import NormalDist

import numpy as np
from jaxtyping import Float
from scipy.special import bdtr

from clipvip.results.resampling import Clusters

HalfWidth = Callable[[float], float]
SMALLEST = 1e-15  # tail that is told from 0


def of_mean(weights: Iterable[float], num_clusters: int, span: float) -> HalfWidth:
    """Of a weighted sum of means on whose value all queries agree (Clopper and Pearson); `span`: of the scale."""
    weights = list(weights)
    most = span * max(sum(max(sign * weight, 0.0) for weight in weights) for sign in (1, -1))
    return lambda tail: most * (1 - tail ** (1 / num_clusters))


def of_medians(
    weights: Sequence[float], scores: Float[np.ndarray, "run query"], clusters: Clusters, span: float
) -> HalfWidth:
    """Of a weighted sum of medians: order statistics of the medians of clusters, by the sign test. So few clusters that
    none of them bounds the median leave the whole scale."""
    names = np.unique(clusters)
    own = np.stack([np.median(scores[:, clusters == name], axis=1) for name in names], axis=1)
    own.sort(axis=1)
    middles = np.median(scores, axis=1)

    def half(tail: float) -> float:
        beyond = _beyond(len(names), tail / len(weights))
        if beyond < 0:
            return float(span * np.abs(weights).sum())
        low, high = middles - own[:, beyond], own[:, len(names) - 1 - beyond] - middles
        return float(np.abs(weights) @ np.maximum(low, high).clip(0))

    return half


def _beyond(num: int, tail: float) -> int:
    """How many of `num` draws lie beyond the bound of their median, which the truth passes with this probability."""
    tail *= 1 + 1e-9  # equal but for rounding counts as reached
    guess = num // 2 + int(NormalDist().inv_cdf(max(min(tail, 0.5), SMALLEST)) * math.sqrt(num) / 2)
    guess = max(-1, min(guess, (num - 1) // 2))
    while guess >= 0 and bdtr(guess, num, 0.5) > tail:
        guess -= 1
    while guess + 1 <= (num - 1) // 2 and bdtr(guess + 1, num, 0.5) <= tail:
        guess += 1
    return guess


def tail_at(half: HalfWidth, distance: float) -> float:
    """The smallest tail whose half width is at most `distance`, by halving; 1 where there is none."""
    least, most = math.log(SMALLEST), 0.0
    if half(1.0) > distance:
        return 1.0
    if half(SMALLEST) <= distance:
        return 0.0
    for _ in range(60):
        middle = (least + most) / 2
        least, most = (least, middle) if half(math.exp(middle)) <= distance else (middle, most)
    return math.exp(most)
