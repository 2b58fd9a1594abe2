"""Intervals of what is measured on repeated draws from two finite sides, such as the language gap's sentences.

In each repeat two disjoint draws of one side meet two of the other. What a draw changes wherever it goes is sampling of
language; what only one pair of draws changes is mostly K-means flipping between partitions, which repeats average
out. `HELD` of the second counts as the first: at none intervals of NMI hold the truth in 82 to 95 % of simulated
corpora, at half in 93 to 98 %, 1.1 to 1.3 times as wide as is due where NMI is above 0.04 (tests/benchmarks).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from clipvip.results.intervals import Interval

HELD = 0.5
Crossed = Float[np.ndarray, "repeats 2 2"]  # repeat, draw of the source, draw of the set


class Error(NamedTuple):
    """Mean over draws, its standard error, and degrees of freedom."""

    mean: float
    error: float
    df: int


def error(values: Crossed, shares: tuple[float, float]) -> Error:
    """Standard error of the mean for the languages both sides were sampled from; NaN for one repeat.

    `shares`: how much of a side one draw takes, m / N. The variance that a draw of m brings is left, m / N of it, when
    all N are used; no repeat can average it out.
    """
    repeats = len(values)
    if repeats < 2:
        return Error(float(values.mean()), math.nan, 0)
    of_pair = np.mean((values[:, 0, 0] - values[:, 0, 1] - values[:, 1, 0] + values[:, 1, 1]) ** 2) / 4
    variance = values.mean(axis=(1, 2)).var(ddof=1) / repeats
    for axis, share in zip((1, 2), shares, strict=True):
        means = values.mean(axis=3 - axis)
        variance += share * max(0.0, (np.mean((means[:, 0] - means[:, 1]) ** 2) - HELD * of_pair) / 2)
    return Error(float(values.mean()), math.sqrt(float(variance)), repeats - 1)


def interval(values: Crossed, shares: tuple[float, float], level: float = 0.95) -> Interval:
    """Mean and t interval on the scale as it is: of a difference."""
    found = error(values, shares)
    half = float(stdtrit(found.df, (1 + level) / 2)) * found.error if found.df else math.nan
    return Interval(found.mean, found.mean - half, found.mean + half)


def positive_interval(values: Crossed, shares: tuple[float, float], level: float = 0.95) -> Interval:
    """The same on the scale of square roots, on which the spread hardly depends on the level; never below 0."""
    found = error(values, shares)
    if not found.df or found.mean <= 0:
        plain = interval(values, shares, level)
        return Interval(plain.estimate, max(0.0, plain.low), max(0.0, plain.high))
    root = math.sqrt(found.mean)
    half = float(stdtrit(found.df, (1 + level) / 2)) * found.error / (2 * root)
    return Interval(found.mean, max(0.0, root - half) ** 2, (root + half) ** 2)
