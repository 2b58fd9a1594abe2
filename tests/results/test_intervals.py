"""Intervals against slow resampling and simulation, p-values against full enumeration and published arithmetic."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clipvip.results import intervals, resampling

Floats = NDArray[np.float64]


def _sample(seed: int, num_clusters: int = 40) -> tuple[Floats, Floats, NDArray[np.str_]]:
    """Two paired scores of queries in clusters of 1 to 3."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 4, num_clusters)
    clusters = np.repeat([f"scene{i}" for i in range(num_clusters)], sizes)
    shared = np.repeat(generator.standard_normal(num_clusters), sizes)
    a = shared + generator.standard_normal(len(clusters))
    return a, shared + 0.5 * generator.standard_normal(len(clusters)), clusters


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_bootstrap_equals_resampling_by_hand(statistic: str) -> None:
    values, _, clusters = _sample(0)
    names = np.unique(clusters)
    drawn = np.random.default_rng(5).integers(0, len(names), (300, len(names)))  # the draws that seed 5 makes
    members = {name: values[clusters == name] for name in names}
    measure = np.mean if statistic == "mean" else np.median
    draws = [measure(np.concatenate([members[names[i]] for i in row])) for row in drawn]
    estimate = measure(values)
    widen = math.sqrt(40 / 39) * scipy.stats.t.ppf(0.05, 39) / scipy.stats.norm.ppf(0.05)
    low, high = estimate + widen * (np.quantile(draws, [0.05, 0.95]) - estimate)
    found = intervals.cluster_bootstrap(values, clusters, statistic=statistic, resamples=300, seed=5, level=0.9)
    assert found == pytest.approx((estimate, low, high))


@pytest.mark.parametrize("scale", [0.3, 3, 100])
def test_resampled_medians_equal_those_of_the_queries_written_out(scale: float) -> None:
    generator = np.random.default_rng(2)
    for num in (5, 6, 40, 201):
        labels = generator.integers(0, max(2, num // 2), num)
        labels[:2] = 0, 1
        values = np.floor(generator.exponential(scale, num)) + 0.5 * generator.integers(0, 2, num)  # ranks with ties
        names = np.unique(labels)
        drawn = np.random.default_rng(5).integers(0, len(names), (200, len(names)))  # the draws that seed 5 makes
        expected = [np.median(np.concatenate([values[labels == names[i]] for i in row])) for row in drawn]
        for clusters in (labels, np.array([f"scene{label:03d}" for label in labels])):
            assert resampling.resampled_medians(values, clusters, 200, seed=5).tolist() == expected


def test_paired_difference_is_the_interval_of_the_differences() -> None:
    a, b, clusters = _sample(1)
    paired = intervals.paired_difference(a, b, clusters)
    assert paired == pytest.approx(intervals.cluster_bootstrap(a - b, clusters))
    apart = intervals.cluster_bootstrap(a, clusters)
    assert paired.high - paired.low < apart.high - apart.low  # pairing takes out what queries share


def test_clusters_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    values = np.repeat(generator.standard_normal(100), 4)
    together = intervals.cluster_bootstrap(values, np.repeat(np.arange(100), 4))
    alone = intervals.cluster_bootstrap(values, np.arange(400))
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(2, rel=0.15)


def test_equal_models_differ_by_exactly_nothing() -> None:
    a, _, clusters = _sample(2)
    assert intervals.paired_difference(a, a, clusters) == (0, 0, 0)
    assert intervals.paired_permutation(a, a, clusters) == 1
    assert intervals.effect_size(a, a, clusters) == 0


def test_bad_samples_are_refused() -> None:
    ones = np.ones(3)
    with pytest.raises(ValueError, match="at least 2 clusters"):
        intervals.cluster_bootstrap(ones, np.zeros(3))
    with pytest.raises(ValueError, match="value 1 is not finite"):
        intervals.cluster_bootstrap(np.array([1.0, math.nan, 2.0]), np.arange(3))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=7))
def test_few_clusters_take_every_sign_flip(differences: list[int]) -> None:
    clusters = np.repeat(np.arange(len(differences)), 2)
    a = np.repeat(np.array(differences, dtype=float), 2)
    totals = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    expected = sum(total >= abs(sum(differences)) for total in totals) / len(totals)
    assert intervals.paired_permutation(a, np.zeros_like(a), clusters) == pytest.approx(expected)


def test_many_clusters_sample_the_flips() -> None:
    generator = np.random.default_rng(3)
    differences = generator.standard_normal(200) + 0.15
    p = intervals.paired_permutation(differences, np.zeros(200), np.arange(200))
    assert p == pytest.approx(scipy.stats.ttest_1samp(differences, 0).pvalue, abs=0.01)
    sure = intervals.paired_permutation(differences + 9, np.zeros(200), np.arange(200), resamples=999)
    assert sure == 1 / 1000  # never zero


def test_holm_by_hand() -> None:
    found = intervals.holm(np.array([0.01, 0.04, math.nan, 0.03, 0.005]))
    assert found == pytest.approx([0.03, 0.06, math.nan, 0.06, 0.02], nan_ok=True)
    assert intervals.holm(np.array([0.5, 0.9])) == pytest.approx([1, 1])
    assert np.isnan(intervals.holm(np.array([math.nan]))).all()


def test_cluster_differences_keep_the_mean_and_the_bootstrap_error() -> None:
    a, b, clusters = _sample(4, num_clusters=400)
    differences = intervals.cluster_differences(a, b, clusters)
    assert differences.mean() == pytest.approx((a - b).mean())
    error = differences.std(ddof=1) / math.sqrt(len(differences))
    interval = intervals.paired_difference(a, b, clusters)
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(error, rel=0.06)
    assert intervals.effect_size(a, b, clusters) == pytest.approx(differences.mean() / differences.std(ddof=1))


@pytest.mark.parametrize("value", [0.0, 100.0])
@pytest.mark.parametrize("count", [2, 6, 300])
def test_where_all_queries_agree_bounds_make_the_interval_exact(value: float, count: int) -> None:
    values, clusters = np.full(count, value), np.arange(count)
    low, high = intervals.cluster_bootstrap(values, clusters, bounds=(0.0, 100.0))[1:]
    exact = scipy.stats.binomtest(round(count * value / 100), count).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((100 * exact.low, 100 * exact.high))
    assert intervals.cluster_bootstrap(values, clusters)[1:] == (value, value)


def test_bounds_change_nothing_where_queries_differ() -> None:
    values, clusters = np.array([100.0, 100, 0, 100, 100, 0]), np.arange(6)
    assert intervals.cluster_bootstrap(values, clusters, bounds=(0.0, 100.0)) == intervals.cluster_bootstrap(
        values, clusters
    )
