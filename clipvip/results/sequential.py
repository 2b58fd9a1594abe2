"""A rule for looking at results as they grow that keeps the error rate of one look.

The number of looks is fixed before the first, and each tests at its share of 5 % (Bonferroni over looks, Holm over
lines at each). The sizes at which one looks are fixed too: a step doubles the replicates or the test sets. Which of the
two is chosen by the spread that either would take away for its cost, never by the difference seen; whether a line goes
on may depend on anything, since stopping adds no false outcome.
"""

import math
from typing import NamedTuple

from scipy.special import ndtr

from clipvip.results import power
from clipvip.results.variance import Estimate

ONE_SD = 0.31731050786291415  # two-sided tail of one standard deviation
HALF = 0.5  # power at which the detectable difference is the half-width of an interval


class Step(NamedTuple):
    """From one look to the next: replicates of every variant, and times the test queries there are."""

    replicates: int
    queries: int = 1


def steps(replicates: int, *, more_queries: bool) -> list[Step]:
    """The steps that a line may take: twice the replicates or, where they can be had, twice the test sets."""
    return [Step(2 * replicates), *([Step(replicates, 2)] if more_queries and replicates > 1 else [])]


def half_width(found: Estimate, step: Step, alpha: float) -> float:
    """Of the interval at this level after a step; infinite where the noise of training is not known."""
    wide = power.detectable(found, float(step.replicates), float(step.queries), power=HALF, alpha=alpha)
    return math.inf if math.isnan(wide) else wide


def gain(found: Estimate, step: Step, alpha: float, replicates: int) -> float:
    """How much narrower a step makes the interval; it does not depend on the difference. Infinite where the noise is
    not known and the step tells it."""
    if found.unknown:
        return math.inf
    return half_width(found, Step(replicates), alpha) - half_width(found, step, alpha)


def chance(found: Estimate, margin: float, step: Step, alpha: float) -> float:
    """Probability that a line is decided after a step, either way, going by the difference seen so far.

    The new estimate lies around the old one with what a step takes from its variance. 1 where the noise is not known:
    the step tells it.
    """
    if found.unknown:
        return 1.0
    error = power.detectable(found, float(step.replicates), float(step.queries), power=HALF, alpha=ONE_SD)
    spread = math.sqrt(max(found.error**2 - error**2, 1e-12))
    outside, inside = half_width(found, step, alpha), margin - half_width(found, step, 2 * alpha)
    if inside >= outside:
        return 1.0
    beyond = float(ndtr((found.value - outside) / spread) + ndtr((-found.value - outside) / spread))
    within = (
        float(ndtr((inside - found.value) / spread) - ndtr((-inside - found.value) / spread)) if inside > 0 else 0.0
    )
    return min(1.0, beyond + within)
