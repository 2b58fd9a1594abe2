"""Scores of queries, drawn anew by cluster: what the bootstrap of `intervals` rests on."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

Values = Float[np.ndarray, " query"]
Clusters = Shaped[np.ndarray, " query"]  # the cluster of each query, any labels
Statistic = Literal["mean", "median"]


def differences(
    values: Sequence[Values],
    baseline: Sequence[Values],
    clusters: Clusters,
    statistic: Statistic,
    resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """The difference of each seed, resampled differences of the average over seeds, and the number of clusters."""
    num_clusters = codes(clusters)[1]
    if num_clusters < 2:
        raise ValueError(f"an interval needs at least 2 clusters of queries, not {num_clusters}")
    if len(baseline) != len(values) or any(row.shape != clusters.shape for row in (*values, *baseline)):
        raise ValueError("values, baseline and clusters must have as many seeds and as many queries as each other")
    weights = _weights(num_clusters, resamples, seed)
    pairs = list(zip(values, baseline, strict=True))
    if statistic == "mean":
        estimates = np.array([(a - b).mean() for a, b in pairs])
        sums, sizes = cluster_sums(np.mean([a - b for a, b in pairs], axis=0), clusters)
        return estimates, (weights @ sums) / (weights @ sizes), num_clusters
    estimates = np.array([np.median(a) - np.median(b) for a, b in pairs])
    draws = [_medians(a, clusters, weights) - _medians(b, clusters, weights) for a, b in pairs]
    return estimates, np.mean(draws, axis=0), num_clusters


def codes(clusters: Clusters) -> tuple[NDArray[np.int64], int]:
    """The place of each query's cluster among the labels in order, and the number of clusters."""
    if clusters.dtype.kind == "i" and len(clusters) and clusters.min() >= 0 and clusters.max() < len(clusters):
        sizes = np.bincount(clusters)
        if sizes.all():  # they are that already
            return clusters.astype(np.int64, copy=False), len(sizes)
    labels, code = np.unique(clusters, return_inverse=True)
    return code.astype(np.int64), len(labels)


def cluster_sums(values: Values, clusters: Clusters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and size of each cluster, in order of their labels. ValueError: a value that is not finite."""
    if not np.isfinite(values).all():
        raise ValueError(f"value {int(np.flatnonzero(~np.isfinite(values))[0])} is not finite")
    code, _ = codes(clusters)
    return np.bincount(code, weights=values).astype(np.float64), np.bincount(code).astype(np.float64)


@lru_cache(maxsize=4)
def _weights(num_clusters: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each cluster is drawn, [resample, cluster]; the same for every score of a test set."""
    drawn = np.random.default_rng(seed).integers(0, num_clusters, (resamples, num_clusters))
    place = drawn + num_clusters * np.arange(resamples)[:, None]
    counts = np.bincount(place.ravel(), minlength=resamples * num_clusters)
    return counts.reshape(resamples, num_clusters).astype(np.float64)


def resampled_medians(values: Values, clusters: Clusters, resamples: int, seed: int = 0) -> NDArray[np.float64]:
    """The median of each resample of whole clusters."""
    return _medians(values, clusters, _weights(codes(clusters)[1], resamples, seed))


def _medians(values: Values, clusters: Clusters, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of every resample; of an even number of values, the mean of the middle two.

    It lies near the median of all, so the levels of the middle third are told apart, and all where that is not enough.
    """
    levels, level = np.unique(values, return_inverse=True)
    code, _ = codes(clusters)
    at = np.searchsorted(levels, np.quantile(values, [1 / 3, 2 / 3], method="nearest"))
    for first, last in ((int(at[0]), int(at[1])), (0, len(levels) - 1)):
        counts = np.zeros((weights.shape[1], last - first + 2))  # the last column: what lies above
        np.add.at(counts, (code, (level - first).clip(0, last - first + 1)), 1)
        reached = weights @ counts.cumsum(axis=1)  # values up to each level, [resample, level]
        total = reached[:, -1]
        places = np.stack([(total + 1) // 2, total // 2 + 1])
        if (first == 0 or (reached[:, 0] < places[0]).all()) and (reached[:, last - first] >= places[1]).all():
            break
    middle = [first + np.argmax(reached >= place[:, None], axis=1) for place in places]
    return np.asarray(levels[np.stack(middle)].mean(axis=0))
