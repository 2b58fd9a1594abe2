"""Intervals over repeated draws, against the formula by hand."""

import math

import numpy as np
import pytest

from clipvip.results.repeated_draws import HELD, error, interval, positive_interval

T = 4.302652729911275  # of two degrees of freedom


def _same(values: list[float]) -> np.ndarray:
    """Every draw of a repeat gives the same."""
    return np.repeat(np.array(values), 4).reshape(-1, 2, 2)


def test_independent_repeats() -> None:
    half = T / math.sqrt(3)
    assert interval(_same([1.0, 2.0, 3.0]), (0.5, 0.5)) == pytest.approx((2.0, 2.0 - half, 2.0 + half))
    assert interval(_same([1.0]), (0.5, 0.5)) == pytest.approx((1, math.nan, math.nan), nan_ok=True)


def test_what_repeats_share_stays_in_the_variance() -> None:
    """A draw of the set changes 2 wherever it goes, a pair of draws 1."""
    values = _same([1.0, 2.0, 3.0]) + np.array([[1.0, -1.0], [1.0, -1.0]]) + np.array([[0.5, -0.5], [-0.5, 0.5]])
    of_pair = 4 * 0.25
    expected = 1 / 3 + 0.5 * (4 - HELD * of_pair) / 2
    assert error(values, (0.3, 0.5)).error == pytest.approx(math.sqrt(expected))
    assert error(np.swapaxes(values, 1, 2), (0.5, 0.3)).error == pytest.approx(math.sqrt(expected))


def test_an_interval_of_what_is_positive_is_never_below_nothing() -> None:
    values = _same([0.01, 0.2, 0.03])
    root, error_ = math.sqrt(values.mean()), error(values, (0.0, 0.0)).error
    half = T * error_ / (2 * root)
    assert half > root
    assert positive_interval(values, (0.0, 0.0)) == pytest.approx((values.mean(), 0.0, (root + half) ** 2))
    assert positive_interval(_same([-0.2, 0.1, 0.0]), (0.0, 0.0)).low == 0


def test_of_a_mean_it_is_the_variance_of_the_whole_sample() -> None:
    """Means of halves of 40 values, drawn again and again: the spread of means of 40, however often."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        sample = rng.normal(size=40)
        orders = [rng.permutation(40).reshape(2, 20) for _ in range(50)]
        values = np.array([[[sample[half].mean() for half in order]] * 2 for order in orders])
        whole = interval(values, (0.1, 0.5))
        found.append((whole.high - whole.low) / 2)
    assert np.mean(found) == pytest.approx(2.01 / math.sqrt(40), rel=0.08)
