"""Intervals against slow resampling and simulation, p-values against full enumeration and published arithmetic."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from simulation import simulate

from clipvip.results import intervals
from clipvip.results.intervals import Spread

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
    assert intervals.over_seeds([a, a], clusters, baseline=[a, a]) == (0, 0, 0)
    assert intervals.p_over_seeds(intervals.spread_over_seeds([a, a], clusters, baseline=[a, a])) == 1


def test_bad_samples_are_refused() -> None:
    ones = np.ones(3)
    with pytest.raises(ValueError, match="at least 2 clusters"):
        intervals.cluster_bootstrap(ones, np.zeros(3))
    with pytest.raises(ValueError, match="value 1 is not finite"):
        intervals.cluster_bootstrap(np.array([1.0, math.nan, 2.0]), np.arange(3))
    with pytest.raises(ValueError, match="one seed"):
        intervals.spread_over_seeds([ones], np.arange(3))
    with pytest.raises(ValueError, match="as many seeds"):
        intervals.over_seeds([ones, ones], np.arange(3), baseline=[ones])


@pytest.mark.parametrize("size", [2, 4])
def test_as_many_values_as_clusters_also_without_the_shape_checks_of_the_tests(size: int) -> None:
    code = f"""
import numpy as np
from clipvip.results import intervals
try:
    intervals.over_seeds([np.ones({size})] * 2, np.arange(3))
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "as many queries as each other" in done.stdout


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


def test_queries_needed_follow_the_textbook() -> None:
    assert intervals.queries_needed(0.5, 1.0) == math.ceil((1.959964 + 0.841621) ** 2 / 0.25) == 32
    far = ((2.575829 + 1.281552) * 70 / 3) ** 2
    assert intervals.queries_needed(3.0, 70.0, power=0.9, alpha=0.01) == pytest.approx(far, abs=1)
    assert intervals.queries_needed(0.0, 1.0) == math.inf


def test_queries_needed_give_their_power() -> None:
    generator = np.random.default_rng(0)
    num = int(intervals.queries_needed(0.3, 1.0))
    tests = scipy.stats.ttest_1samp(generator.standard_normal((2000, num)) + 0.3, 0, axis=1).pvalue < 0.05
    assert tests.mean() == pytest.approx(0.8, abs=0.04)


def test_seeds_add_their_noise() -> None:
    a, b, clusters = _sample(6)
    alone = intervals.over_seeds([a], clusters, baseline=[b])
    assert alone == intervals.paired_difference(a, b, clusters)
    together = intervals.over_seeds([a, a + 1, a - 1], clusters, baseline=[b, b, b])
    assert together.estimate == pytest.approx(alone.estimate)
    assert together.high - together.low > 4 * (alone.high - alone.low)
    spread = intervals.spread_over_seeds([a, a + 1, a - 1], clusters)
    queries = intervals.spread_over_seeds([a, a, a], clusters)
    assert spread.error**2 == pytest.approx(queries.error**2 + 1 / 3)  # seeds' results: variance 1, three of them
    assert spread.of_seeds == pytest.approx((1 / 3) / spread.error**2)
    assert (spread.df_queries, spread.df_seeds, queries.of_seeds) == (39, 2, 0)
    assert queries.critical(0.95) == pytest.approx(scipy.stats.t.ppf(0.975, 39))


def test_what_a_seed_changes_in_single_queries_is_counted_once() -> None:
    """A table of seeds by queries whose three variances are known: shared by seeds, of seeds, of both."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(300):
        shared, own = generator.standard_normal(100), generator.standard_normal((4, 1))
        rows = list(3 * shared + 0.2 * own + 2 * generator.standard_normal((4, 100)))
        found.append(intervals.spread_over_seeds(rows, np.arange(100), resamples=200).error ** 2)
    assert np.mean(found) == pytest.approx(9 / 100 + 0.04 / 4 + 4 / 400, rel=0.05)


def test_p_over_seeds_agrees_with_its_interval() -> None:
    spread = Spread(estimate=2.0, error=1.0, of_seeds=1.0, df_queries=99, df_seeds=5)
    assert intervals.p_over_seeds(spread) == pytest.approx(2 * scipy.stats.t.sf(2, 5))
    assert intervals.p_over_seeds(spread._replace(estimate=0.0)) == 1
    a, b, clusters = _sample(7)
    shifted = [b + 0.1 * i for i in range(3)]
    edge = intervals.spread_over_seeds(shifted, clusters, baseline=[a] * 3)
    interval = intervals.over_seeds(shifted, clusters, baseline=[a] * 3, level=1 - intervals.p_over_seeds(edge))
    assert min(abs(interval.low), abs(interval.high)) == pytest.approx(0, abs=1e-9)


def test_intervals_cover() -> None:
    """400 rounds: the share itself is known to +-2 points, so 95 % may read 91.7 to 98.3 (three deviations)."""
    for num_seeds, noise in ((1, 0.0), (3, 0.05), (5, 0.2)):
        found = simulate(400, 200, num_seeds, seed_noise=noise, own=0.5, resamples=400)
        assert 0.917 <= found.coverage <= 0.983
        assert found.false_positives <= 0.083


def test_what_seeds_change_in_single_queries_is_taken_off_by_hand() -> None:
    """Two seeds by three queries leave 0, -3, 3 and 0, 3, -3: squares of 36, 1 x 2 degrees of freedom, 6 values."""
    rows = [np.array([0.0, 30.0, 66.0]), np.array([0.0, 36.0, 60.0])]  # both of mean 32
    spread = intervals.spread_over_seeds(rows, np.array(["a", "b", "c"]), resamples=500, seed=1)
    drawn = np.random.default_rng(1).integers(0, 3, (500, 3))
    of_queries = np.var([np.mean(np.array([0.0, 33.0, 63.0])[row]) for row in drawn], ddof=1)
    assert spread.error**2 == pytest.approx(of_queries * 3 / 2 - 3)
    assert (spread.estimate, spread.of_seeds, spread.df_queries, spread.df_seeds) == (32, 0, 2, 1)
