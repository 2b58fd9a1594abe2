"""Intervals over repeated draws, against the formula by hand."""

import math

import numpy as np
import pytest

from clipvip.results.repeated_draws import interval

T = 4.302652729911275  # of two degrees of freedom


def test_independent_repeats() -> None:
    values = np.array([1.0, 2.0, 3.0])
    half = T / math.sqrt(3)
    assert interval(values) == pytest.approx((2.0, 2.0 - half, 2.0 + half))
    assert interval(values[:1]) == pytest.approx((1, math.nan, math.nan), nan_ok=True)


def test_what_repeats_share_stays_in_the_variance() -> None:
    values = np.array([1.0, 2.0, 3.0])
    anew = [(values + np.array([1.0, -1.0, 2.0]), 0.5), (values + 4.0, 0.0)]
    half = T * math.sqrt(1 / 3 + 0.5 * (1 + 1 + 4) / 3 / 2)
    assert interval(values, anew) == pytest.approx((2.0, 2.0 - half, 2.0 + half))


def test_of_a_mean_it_is_the_variance_of_the_whole_sample() -> None:
    """Means of halves of 40 values, drawn again and again: the spread of means of 40, however often."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        sample = rng.normal(size=40)
        orders = [rng.permutation(40) for _ in range(50)]
        halves = [np.array([sample[order[part]].mean() for order in orders]) for part in (slice(20), slice(20, 40))]
        whole = interval(halves[0], [(halves[1], 0.5)])
        found.append((whole.high - whole.low) / 2)
    assert np.mean(found) == pytest.approx(2.01 / math.sqrt(40), rel=0.08)
