"""What a comparison of trained models is worth: one variance model for means, differences, trends and interactions.

A figure of a variant averages runs (replicates) over queries. Whatever is compared is a weighted sum of variants, and
its error has two parts. Queries: another draw of test clips; estimated from clusters of queries, which all variants
share, less what single runs change in single queries. Runs: another training; the variance of a run's mean, which is
pooled over the variants of a class (`clipvip.results.noise`) and so is known for a variant of one run as well.
Satterthwaite's degrees of freedom join the two.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from clipvip.results import degenerate
from clipvip.results.intervals import Interval, cluster_differences
from clipvip.results.resampling import Clusters, Statistic, Values, codes, resampled_medians

SMALL = 1e-12
RESAMPLES = 500  # of medians, whose variance has no formula


@dataclass(frozen=True)
class RunNoise:
    """The variance of one run's mean, in squared units of the score, as estimated for a class of variants."""

    name: str  # the class, or the row that has a variance of its own
    variance: float
    df: float  # degrees of freedom of `variance`; inf: known
    interaction: float = 0.0  # the part of `variance` that runs change in single queries; more queries lessen it
    rows: int = 1  # variants that were pooled


FIXED = RunNoise("nothing is trained", 0.0, math.inf)


class Term(NamedTuple):
    """One variant in a weighted sum: the scores of its runs by the key of their cells, and their noise (None: not
    known)."""

    weight: float
    runs: Mapping[str, Values]
    noise: RunNoise | None


@dataclass(frozen=True)
class Estimate:
    """A weighted sum of variants with its variance by source."""

    value: float
    of_queries: float  # variance from drawing the test queries
    df_queries: float
    parts: Mapping[RunNoise, float] = field(default_factory=dict)  # noise -> sum of squared weights of single runs
    single: Mapping[RunNoise, float] = field(default_factory=dict)  # the same for one run of every variant
    unknown: bool = False  # the noise of some variant's runs is not known: only queries count
    exact: Callable[[float], float] | None = None  # tail -> half a width, where resampling shows no spread

    @cached_property
    def of_runs(self) -> float:
        """Variance from training."""
        return float(sum(weight * noise.variance for noise, weight in self.parts.items()))

    @property
    def error(self) -> float:
        """Standard error."""
        return math.sqrt(self.of_queries + self.of_runs)

    @cached_property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom of both parts."""
        pairs = [(self.of_queries, self.df_queries)]
        pairs += [(weight * noise.variance, noise.df) for noise, weight in self.parts.items()]
        whole = sum(part for part, _ in pairs)
        return whole**2 / below if (below := sum(part**2 / df for part, df in pairs)) > 0 else math.inf

    def interval(self, level: float = 0.95) -> Interval:
        """Two-sided interval; exact where resampled queries show no spread, which is not certainty."""
        half = max(_t(self.df, (1 + level) / 2) * self.error, self.exact((1 - level) / 2) if self.exact else 0.0)
        return Interval(self.value, self.value - half, self.value + half)

    def p(self, null: float = 0.0) -> float:
        """Two-sided p of `null`, of the same variance as `interval`; NaN where the noise of runs is not known."""
        return math.nan if self.unknown else min(1.0, 2 * self._tail(abs(self.value - null)))

    def p_same(self, margin: float) -> float:
        """p of two one-sided tests (TOST) that the truth lies beyond -margin or +margin; NaN as for `p`."""
        if self.unknown:
            return math.nan
        inside = margin - abs(self.value)
        return self._tail(inside) if inside > 0 else 1 - self._tail(-inside)

    def chance_in_a_new_run(self) -> float:
        """Probability that one new run of every variant, on the same queries, gives a figure above 0."""
        new = self.of_runs + sum(weight * noise.variance for noise, weight in self.single.items())
        if self.unknown:
            return math.nan
        if new == 0:
            return 0.5 + 0.5 * float(np.sign(self.value))
        return float(_cdf(self._df_runs, self.value / math.sqrt(new)))

    @property
    def _df_runs(self) -> float:
        below = sum((weight * noise.variance) ** 2 / noise.df for noise, weight in self.parts.items())
        return self.of_runs**2 / below if below > 0 else math.inf

    def _tail(self, distance: float) -> float:
        """One-sided p at this distance of the estimate, not below 0."""
        normal = float(_cdf(self.df, -distance / self.error)) if self.error > 0 else 0.5 * (distance == 0)
        return normal if self.exact is None else max(normal, degenerate.tail_at(self.exact, distance))


def span_of(score: str, num_queries: int) -> float | None:
    """The width of the scale of a score, for `estimate`: 100 for a recall or order, the number of queries (about the
    largest rank that a query can have) for ranks and their mean or median, its log2 for log2R."""
    if score.startswith("R@") or score == "order":
        return 100.0
    if score in ("MdR", "MnR"):
        return float(max(1, num_queries - 1))
    return math.log2(max(2, num_queries)) if score == "log2R" else None


def estimate(
    terms: Sequence[Term],
    clusters: Clusters,
    *,
    statistic: Statistic = "mean",
    span: float | None = None,
) -> Estimate:
    """The weighted sum of variants. Runs that several variants share count once, with their weights added.

    `span` is the width of the scale of the scores (100 for a recall): where all queries agree, or all resampled
    medians, it gives an exact interval in place of one of no width; so it does for a single cluster, which tells
    next to nothing. ValueError: no runs, a single cluster and no `span`, or other queries.
    """
    weights, scores = _runs(terms, clusters)
    num_clusters = codes(clusters)[1]
    if num_clusters < 2 and span is None:
        raise ValueError(f"an interval needs at least 2 clusters of queries, not {num_clusters}")
    parts, single, unknown = _parts(terms, weights)
    df = float(num_clusters - 1)
    if not weights:  # a variant against itself
        return Estimate(0.0, 0.0, df)
    rows = np.stack([scores[key] for key in weights])
    combined = np.array(list(weights.values())) @ rows
    if num_clusters < 2 and span is not None:
        middles = np.median(rows, axis=1) if statistic == "median" else rows.mean(axis=1)
        value = float(np.array(list(weights.values())) @ middles)
        return Estimate(value, 0.0, 1.0, parts, single, unknown, degenerate.of_mean(weights.values(), 1, span))
    if statistic == "median":
        draws = [w * resampled_medians(scores[key], clusters, RESAMPLES) for key, w in weights.items()]
        of_queries = float(np.sum(draws, axis=0).var(ddof=1)) * num_clusters / (num_clusters - 1)
        value = float(np.array(list(weights.values())) @ np.median(rows, axis=1))
        exact = None
        if of_queries < SMALL and span is not None:
            exact = degenerate.of_medians(list(weights.values()), rows, clusters, span)
        return Estimate(value, of_queries, df, parts, single, unknown, exact)
    spread = cluster_differences(combined, np.zeros_like(combined), clusters)
    of_queries = float(spread.var(ddof=1)) / num_clusters
    less = sum(weight * noise.interaction for noise, weight in parts.items())
    agree = span is not None and np.ptp(combined) < SMALL * max(1.0, abs(float(combined[0])))
    exact = degenerate.of_mean(weights.values(), num_clusters, span) if span is not None and agree else None
    of_queries = max(0.0, of_queries - less)
    return Estimate(float(combined.mean()), of_queries, df, parts, single, unknown, exact)


def interaction(runs: Sequence[Values], clusters: Clusters) -> float:
    """Variance of one run's mean from what runs change in single clusters: the residual of runs by clusters.

    ValueError: fewer than 2 runs.
    """
    if len(runs) < 2:
        raise ValueError("one run tells nothing about the noise of training; give at least 2")
    rows = np.array([cluster_differences(each, np.zeros_like(each), clusters) for each in runs])
    left = rows - rows.mean(axis=0) - rows.mean(axis=1, keepdims=True) + rows.mean()
    num_runs, num_clusters = rows.shape
    if num_clusters < 2:  # told apart from the noise of runs by several alone
        return 0.0
    return float((left**2).sum() / ((num_runs - 1) * (num_clusters - 1)) / num_clusters)


def _runs(terms: Sequence[Term], clusters: Clusters) -> tuple[dict[str, float], dict[str, Values]]:
    weights: defaultdict[str, float] = defaultdict(float)
    scores: dict[str, Values] = {}
    for term in terms:
        if not term.runs:
            raise ValueError("a variant without a finished run cannot be compared")
        for key, values in term.runs.items():
            if values.shape != clusters.shape:
                raise ValueError(f"run {key}: {len(values)} scores for {len(clusters)} queries; both must be as many")
            if not np.isfinite(values).all():
                raise ValueError(f"run {key}: value {int(np.flatnonzero(~np.isfinite(values))[0])} is not finite")
            weights[key] += term.weight / len(term.runs)
            scores[key] = values
    return {key: weight for key, weight in weights.items() if abs(weight) > SMALL}, scores


def _parts(
    terms: Sequence[Term], weights: Mapping[str, float]
) -> tuple[dict[RunNoise, float], dict[RunNoise, float], bool]:
    noises = {key: term.noise for term in terms for key in term.runs}
    parts: defaultdict[RunNoise, float] = defaultdict(float)
    single: defaultdict[RunNoise, float] = defaultdict(float)
    for key, weight in weights.items():
        if (noise := noises[key]) is not None:
            parts[noise] += weight**2
    for term in terms:
        if term.noise is not None and any(key in weights for key in term.runs):
            single[term.noise] += term.weight**2
    return dict(parts), dict(single), any(noises[key] is None for key in weights)


def _t(df: float, tail: float) -> float:
    return float(stdtrit(min(df, 1e9), tail))


def _cdf(df: float, value: float) -> float:
    return float(stdtr(min(df, 1e9), value))
