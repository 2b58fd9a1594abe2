"""Intervals of what is measured on repeated draws from two finite sides, such as the domain gap's sentences."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from clipvip.results.intervals import Interval
from clipvip.results.resampling import Values

Anew = tuple[Values, float]


def interval(values: Values, anew: Sequence[Anew] = (), level: float = 0.95) -> Interval:
    """Mean over repeats and its t interval, for what the sides were sampled from; NaN bounds for one repeat.

    Each of `anew` is the same measure with one side drawn again, disjoint from the first draw, and m / N: how much of
    that side a draw takes. Half the mean square of the difference is the variance that a draw of m brings; what is left
    of it when all N are used, m / N of it, no repeat can average out. With none, repeats are independent.
    """
    mean, num = float(values.mean()), len(values)
    if num < 2:
        return Interval(mean, math.nan, math.nan)
    variance = values.var(ddof=1) / num + sum(share * np.mean((other - values) ** 2) / 2 for other, share in anew)
    half = float(stdtrit(num - 1, (1 + level) / 2)) * math.sqrt(float(variance))
    return Interval(mean, mean - half, mean + half)
