"""Confidence intervals, paired tests, Holm correction: what a difference of two retrieval scores is worth.

Queries are not independent: a clip and its twin, or the texts of one clip, share a cluster, and it is clusters that are
resampled. Two models answer the same queries, so differences are paired. The paper gives none of this (section 4
prints point values); at 1,000 queries R@1 near 50 % is known to about 3 points, most published gaps lie inside that.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri, stdtrit

from clipvip.results.resampling import Clusters, Statistic, Values, cluster_sums, differences

EXACT_CLUSTERS = 13  # up to here all 2^13 sign flips are taken


class Interval(NamedTuple):
    """An estimate and its confidence interval."""

    estimate: float
    low: float
    high: float


def cluster_bootstrap(
    values: Values,
    clusters: Clusters,
    *,
    statistic: Statistic = "mean",
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """Percentile interval of the mean (or median) over resampled clusters, widened a little where they are few.

    It holds the sampling of queries only. Values that are all equal have no bootstrap error, which is not certainty:
    give the `bounds` of their scale, (0.0, 100.0) for a recall, and the interval of a mean is then exact (Clopper and
    Pearson's, of as many draws as there are clusters). ValueError: fewer than 2 clusters, or bad values.
    """
    found = paired_difference(
        values, np.zeros_like(values), clusters, statistic=statistic, resamples=resamples, seed=seed, level=level
    )
    if bounds is None or statistic != "mean" or np.ptp(values) > 0:
        return found
    share = 1 - ((1 - level) / 2) ** (1 / len(np.unique(clusters)))  # of draws that may differ and none was seen
    low, high = (found.estimate + share * (bound - found.estimate) for bound in bounds)
    return Interval(found.estimate, low, high)


def paired_difference(
    a: Values,
    b: Values,
    clusters: Clusters,
    *,
    statistic: Statistic = "mean",
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Interval of statistic(a) - statistic(b), both resampled together. ValueError: as `cluster_bootstrap`."""
    estimate, draws, num_clusters = differences([a], [b], clusters, statistic, resamples, seed)
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    # The bootstrap of C clusters is too narrow by the usual (C - 1) / C and by the normal in place of t.
    widen = math.sqrt(num_clusters / (num_clusters - 1)) * stdtrit(num_clusters - 1, tail) / ndtri(tail)
    most = float(a.max() - b.min()), float(a.min() - b.max())
    low, high = estimate[0] - widen * (estimate[0] - low), estimate[0] + widen * (high - estimate[0])
    return Interval(float(estimate[0]), max(float(low), most[1]), min(float(high), most[0]))


def paired_permutation(a: Values, b: Values, clusters: Clusters, *, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of mean(a) = mean(b): the signs of whole clusters are flipped, all ways where they are few."""
    sums, _ = cluster_sums(a - b, clusters)
    sums = sums[sums != 0]  # a flip of nothing changes nothing
    reached = abs(sums.sum()) * (1 - 1e-9)
    if len(sums) <= EXACT_CLUSTERS:
        flips = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((abs((1 - 2 * flips) @ sums) >= reached).mean())
    generator, hits = np.random.default_rng(seed), 0
    for start in range(0, resamples, 1000):
        flips = generator.integers(0, 2, (min(1000, resamples - start), len(sums)), dtype=np.int8)
        hits += int((abs((1 - 2 * flips) @ sums) >= reached).sum())
    return (1 + hits) / (1 + resamples)


def holm(pvalues: Values) -> Values:
    """Holm's adjusted p-values; NaN (a test that was not made) stays NaN and is not counted."""
    adjusted = np.full(len(pvalues), np.nan)
    made = np.flatnonzero(~np.isnan(pvalues))
    order = made[np.argsort(pvalues[made], kind="stable")]
    steps = pvalues[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return adjusted


def cluster_differences(a: Values, b: Values, clusters: Clusters) -> Float[np.ndarray, " cluster"]:
    """One difference a cluster, larger clusters weighing more, whose plain mean is mean(a) - mean(b)."""
    sums, sizes = cluster_sums(a - b, clusters)
    mean = sums.sum() / sizes.sum()
    return np.asarray(mean + (sums - mean * sizes) * len(sums) / sizes.sum())


def effect_size(a: Values, b: Values, clusters: Clusters) -> float:
    """Mean difference in standard deviations of the cluster differences (Cohen's d of pairs); 0 / 0 is 0."""
    differences = cluster_differences(a, b, clusters)
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    return mean / deviation if deviation > 0 else math.copysign(math.inf, mean) if mean else 0.0
