"""The variance model against arithmetic by hand, a two-way table of known truth, and simulated experiments."""

import math

import numpy as np
import pytest
import scipy.stats
from simulation import simulate

from clipvip.results import degenerate, variance
from clipvip.results.variance import FIXED, Estimate, RunNoise, Term, estimate, span_of

CLUSTERS = np.array(["a", "a", "b", "c", "c", "d"])
ALONE = np.arange(400)


def _noise(variance: float, df: float, interaction: float = 0.0) -> RunNoise:
    return RunNoise("class", variance, float(df), interaction, 4)


def test_a_difference_by_hand() -> None:
    """Clusters of equal size, so the variance of the mean is that of the four cluster means / 4."""
    a, b = np.array([1.0, 3, 2, 2, 5, 5, 0, 0]), np.array([0.0, 2, 2, 0, 1, 1, 1, 1])
    clusters = np.repeat(np.arange(4), 2)
    noise = _noise(0.5, 6)
    terms = [Term(1.0, {"a": a}, noise), Term(-1.0, {"b0": b, "b1": b + 2}, noise)]
    found = estimate(terms, clusters)
    means = np.array([1.0, 1.0, 4.0, -1.0]) - 1
    of_queries, of_runs = means.var(ddof=1) / 4, 0.5 * (1 + 1 / 2)
    assert found.value == pytest.approx(means.mean())
    assert (found.of_queries, found.of_runs) == pytest.approx((of_queries, of_runs))
    df = (of_queries + of_runs) ** 2 / (of_queries**2 / 3 + of_runs**2 / 6)
    assert found.df == pytest.approx(df)
    half = scipy.stats.t.ppf(0.975, df) * math.sqrt(of_queries + of_runs)
    assert found.interval() == pytest.approx((found.value, found.value - half, found.value + half))
    assert found.p() == pytest.approx(2 * scipy.stats.t.sf(abs(found.value) / found.error, df))


def test_parts_of_one_class_are_one_estimate_and_those_of_two_are_not() -> None:
    values = np.arange(400.0)
    pre, plain = _noise(2.0, 5), RunNoise("plain", 2.0, 5.0)
    one = estimate([Term(1.0, {"a": values}, pre), Term(-1.0, {"b": values}, pre)], ALONE)
    two = estimate([Term(1.0, {"a": values}, pre), Term(-1.0, {"b": values}, plain)], ALONE)
    assert (one.of_runs, two.of_runs) == (4, 4)
    assert (one.df, two.df) == pytest.approx((5, 10))


def test_the_interval_ends_where_p_says_so() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((2, 400))
    found = estimate([Term(1.0, {"a": a + 0.2}, _noise(0.003, 7)), Term(-1.0, {"b": b}, _noise(0.003, 7))], ALONE)
    interval = found.interval(1 - found.p())
    assert min(abs(interval.low), abs(interval.high)) == pytest.approx(0, abs=1e-6)
    ninety = found.interval(0.9)
    edge = max(abs(ninety.low), abs(ninety.high))
    assert found.p_same(edge) == pytest.approx(0.05)  # inside the margin at the level of two one-sided tests
    assert found.p_same(1.01 * edge) < 0.05 < found.p_same(0.99 * edge)
    assert found.p_same(0.1 * abs(found.value)) > 0.5


def test_what_runs_change_in_single_queries_is_counted_once() -> None:
    """A table of runs by queries whose three variances are known: shared by runs, of runs, of both."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(300):
        shared, own = generator.standard_normal(100), generator.standard_normal((4, 1))
        rows = list(3 * shared + 0.2 * own + 2 * generator.standard_normal((4, 100)))
        means = np.array([each.mean() for each in rows])
        noise = _noise(float(means.var(ddof=1)), 3, variance.interaction(rows, np.arange(100)))
        runs = {str(index): each for index, each in enumerate(rows)}
        found.append(estimate([Term(1.0, runs, noise)], np.arange(100)).error ** 2)
    assert np.mean(found) == pytest.approx(9 / 100 + 0.04 / 4 + 4 / 400, rel=0.05)


def test_interaction_by_hand() -> None:
    """Two runs by three queries leave 0, -3, 3 and 0, 3, -3: squares of 36, 1 x 2 degrees of freedom, 3 queries."""
    rows = [np.array([0.0, 30.0, 66.0]), np.array([0.0, 36.0, 60.0])]
    assert variance.interaction(rows, np.array(["a", "b", "c"])) == pytest.approx(36 / 2 / 3)
    with pytest.raises(ValueError, match="one run tells nothing"):
        variance.interaction(rows[:1], np.arange(3))


def test_shared_runs_count_once() -> None:
    values, noise = np.arange(400.0), _noise(1.0, 3)
    same = estimate(
        [Term(1.0, {"a": values, "b": values}, noise), Term(-1.0, {"b": values, "a": values}, noise)], ALONE
    )
    assert (same.interval(), same.p(), same.p_same(1.0)) == ((0, 0, 0), 1, 0)
    half = estimate([Term(1.0, {"a": values, "b": values + 1}, noise), Term(-1.0, {"b": values + 1}, noise)], ALONE)
    assert half.of_runs == pytest.approx(0.25 + 0.25)  # a / 2 - b / 2
    assert half.value == pytest.approx(-0.5)


def test_without_noise_nothing_is_decided() -> None:
    values = np.arange(400.0)
    found = estimate([Term(1.0, {"a": values}, None), Term(-1.0, {"b": np.sqrt(values)}, _noise(1.0, 3))], ALONE)
    assert found.unknown
    assert all(math.isnan(each) for each in (found.p(), found.p_same(2.0), found.chance_in_a_new_run()))
    assert found.interval().low > 0


@pytest.mark.parametrize("value", [0.0, 100.0])
def test_where_all_queries_agree_the_interval_is_that_of_clopper_and_pearson(value: float) -> None:
    found = estimate([Term(1.0, {"a": np.full(6, value)}, FIXED)], np.arange(6), span=100.0)
    exact = scipy.stats.binomtest(round(6 * value / 100), 6).proportion_ci(0.95, method="exact")
    low, high = (min(max(each, 0), 100) for each in found.interval()[1:])
    assert (low, high) == pytest.approx((100 * exact.low, 100 * exact.high))


@pytest.mark.parametrize(("queries", "width"), [(5, 59.0), (6, 0.0)])
def test_a_median_of_few_clusters_that_agree_is_bounded_by_the_sign_test(queries: int, width: float) -> None:
    """All at rank 1 of 60: with five, a truth above 1 shows this with 1 / 32 > 2.5 %; with six, with 1 / 64."""
    span = span_of("MdR", 60)
    found = estimate([Term(1.0, {"a": np.ones(queries)}, FIXED)], np.arange(queries), statistic="median", span=span)
    assert found.interval()[1:] == (1 - width, 1 + width)
    terms = [Term(1.0, {"a": np.ones(queries)}, FIXED), Term(-1.0, {"b": np.full(queries, 4.0)}, FIXED)]
    apart = estimate(terms, np.arange(queries), statistic="median", span=span)
    assert apart.value == -3
    assert apart.p() == pytest.approx(min(1.0, 2 * 2 * 0.5**queries))


def test_medians_of_many_that_agree_but_for_some_are_order_statistics() -> None:
    """Of 12 clusters one is away; bounds by the binomial table: 2 of 12 lie beyond (1.9 %), so the truth is 1 too."""
    values = np.array([*np.ones(11), 30.0])
    found = degenerate.of_medians([1.0], values[None], np.arange(12), 40.0)
    assert [found(scipy.stats.binom.cdf(each, 12, 0.5)) for each in (0, 1, 2)] == [29, 0, 0]
    assert found(0.5**12 / 1.01) == 40
    for tail in (1e-9, 0.001, 0.02, 0.3):
        for num in (2, 7, 40, 1001):
            beyond = degenerate._beyond(num, tail)
            assert beyond == -1 or scipy.stats.binom.cdf(beyond, num, 0.5) <= tail
            assert beyond == (num - 1) // 2 or scipy.stats.binom.cdf(beyond + 1, num, 0.5) > tail


def test_a_mean_rank_on_which_few_agree_is_not_certain() -> None:
    found = estimate([Term(1.0, {"a": np.ones(6)}, FIXED)], np.arange(6), span=span_of("MnR", 60))
    assert found.interval().high == pytest.approx(1 + 59 * (1 - 0.025 ** (1 / 6)))


def test_a_difference_on_which_all_queries_agree_is_not_certain() -> None:
    right, wrong = np.full(6, 100.0), np.zeros(6)
    found = estimate([Term(1.0, {"a": right}, FIXED), Term(-1.0, {"b": right.copy()}, FIXED)], np.arange(6), span=100.0)
    assert found.interval().high == pytest.approx(100 * (1 - 0.025 ** (1 / 6)))
    assert found.p() == 1
    apart = estimate([Term(1.0, {"a": right}, FIXED), Term(-1.0, {"b": wrong}, FIXED)], np.arange(6), span=200.0)
    assert apart.p() == pytest.approx(2 * 0.5**6)


def test_the_chance_of_a_new_run_is_that_of_new_runs() -> None:
    """Two runs of either side told 1.5 points, noise of sd 1 known: the next difference has sd sqrt(1 + 2)."""
    noise = _noise(1.0, math.inf)
    found = Estimate(1.5, 5.0, 400.0, {noise: 1.0}, {noise: 2.0})
    generator = np.random.default_rng(0)
    truth = 1.5 + generator.standard_normal(200_000)  # what the mean of two runs leaves open
    new = truth + generator.standard_normal((2, 200_000)).sum(axis=0)
    assert found.chance_in_a_new_run() == pytest.approx((new > 0).mean(), abs=0.004)


def test_medians_are_resampled_and_bad_samples_refused() -> None:
    generator = np.random.default_rng(3)
    values = generator.standard_normal(400)
    found = estimate([Term(1.0, {"a": values}, FIXED)], ALONE, statistic="median")
    assert found.value == np.median(values)
    assert found.error == pytest.approx(math.sqrt(math.pi / 2 / 400), rel=0.25)
    with pytest.raises(ValueError, match="at least 2 clusters"):
        estimate([Term(1.0, {"a": values}, FIXED)], np.zeros(400))
    with pytest.raises(ValueError, match="without a finished run"):
        estimate([Term(1.0, {}, FIXED)], ALONE)
    with pytest.raises(ValueError, match="run a: value 1 is not finite"):
        estimate([Term(1.0, {"a": np.array([1.0, math.nan, 2.0])}, FIXED)], np.arange(3))


@pytest.mark.parametrize(("replicates", "effect"), [(1, 0.0), (2, 6.0)])
def test_a_quick_slice_of_the_simulation(replicates: int, effect: float) -> None:
    """80 rounds of seven comparisons that share a baseline: coverage is known to about 2 points."""
    found = simulate(80, replicates, effect=effect)
    assert 0.90 <= found.coverage <= 0.985
    assert found.family <= 0.11
    assert effect == 0 or (found.power >= 0.85 and found.width <= 8)


def test_ranks_on_which_all_queries_agree_are_not_certain() -> None:
    """Six queries at rank 1: at most 46 % of all queries may be elsewhere, at worst at rank 6."""
    zeros, clusters = np.zeros(6), np.arange(6)
    found = estimate([Term(1.0, {"a": zeros}, FIXED)], clusters, span=span_of("log2R", 6)).interval()
    most = scipy.stats.binomtest(0, 6).proportion_ci(0.95, method="exact").high
    assert found.high == pytest.approx(most * np.log2(6))
    assert [span_of(score, 6) for score in ("R@1", "order", "MdR", "MnR")] == [100, 100, 5, 5]


def test_a_single_cluster_tells_next_to_nothing_and_stops_nothing() -> None:
    """Three queries of one film: almost the whole scale of a recall lies in the interval, at any number of runs."""
    one = np.zeros(3, dtype=np.int64)
    for runs in ({"a": np.array([100.0, 0.0, 100.0])}, {"a": np.full(3, 100.0), "b": np.zeros(3)}):
        found = estimate([Term(1.0, runs, FIXED)], one, span=100.0)
        interval = found.interval()
        assert found.value == pytest.approx(np.mean(list(runs.values())))
        assert interval.high - interval.low > 190  # 100 (1 - 0.025) to each side
    with pytest.raises(ValueError, match="at least 2 clusters"):
        estimate([Term(1.0, {"a": np.ones(3)}, FIXED)], one)
    assert variance.interaction([np.arange(3.0), np.ones(3)], one) == 0
