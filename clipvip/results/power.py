"""What more replicates and more test queries would show: detectable differences, and what decides an open line."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.special import stdtrit

from clipvip.results.variance import Estimate, RunNoise

REPLICATES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
QUERIES = (1, 2, 3, 4, 8)  # times the test queries there are
POWER, ALPHA = 0.8, 0.05


class Plan(NamedTuple):
    """So many replicates of every variant, and so many times the test queries there are now."""

    replicates: int
    queries: int = 1


def detectable(
    found: Estimate, replicates: float, queries: float = 1.0, *, power: float = POWER, alpha: float = ALPHA
) -> float:
    """The difference that a two-sided test sees with this power, with so many replicates of every variant and so many
    times the queries; `math.inf` replicates give the floor that training cannot lower. NaN: noise not known."""
    if found.unknown:
        return math.nan
    error, df = _planned(found, replicates, queries)
    return (_t(df, 1 - alpha / 2) + _t(df, power)) * error


def needs(
    found: Estimate, target: float, *, most: int = REPLICATES[-1], present: int = 0, alpha: float = ALPHA
) -> list[Plan]:
    """The fewest replicates that let a difference of `target` be seen, for each number of queries that needs fewer.

    Plans up to the `most` replicates, with queries rising, and more than the `present` replicates on the queries there
    are; none: out of reach, or the noise is not known.
    """
    plans: list[Plan] = []
    for queries in QUERIES:
        more = [k for k in REPLICATES if k <= most and (queries > 1 or k > present)]
        seen = (detectable(found, float(k), float(queries), alpha=alpha) for k in more)
        fewest = next((k for k, least in zip(more, seen, strict=True) if least <= target), None)
        if fewest is not None and (not plans or fewest < plans[-1].replicates):
            plans.append(Plan(fewest, queries))
    return plans


def said(plans: Sequence[Plan], present: int) -> str:
    """`needs 4 replicates, or 2 and 3 times the test queries`; `present`: replicates there are now."""
    if not plans:
        return f"out of reach of {REPLICATES[-1]} replicates and {QUERIES[-1]} times the test queries"
    words = [_words(plan, present) for plan in (plans if len(plans) < 3 else [plans[0], plans[-1]])]
    return "needs " + ", or ".join(words)


def _words(plan: Plan, present: int) -> str:
    runs = f"{plan.replicates} replicate{'s' * (plan.replicates != 1)}"
    if plan.queries == 1:
        return runs
    more = f"{plan.queries} times the test queries"
    return more if plan.replicates == present else f"{runs} and {more}"


def _planned(found: Estimate, replicates: float, queries: float) -> tuple[float, float]:
    """Standard error and degrees of freedom under a plan."""
    pairs = [(found.of_queries / queries, found.df_queries * queries)]
    for noise, weight in found.single.items():
        fixed = max(0.0, noise.variance - noise.interaction)
        part = weight * (fixed + min(noise.interaction, noise.variance) / queries) / replicates
        pairs.append((part, _df(noise, replicates)))
    whole = sum(part for part, _ in pairs)
    below = sum(part**2 / df for part, df in pairs if part > 0)
    return math.sqrt(whole), whole**2 / below if below > 0 else math.inf


def _df(noise: RunNoise, replicates: float) -> float:
    """As many rows as were pooled get the replicates of the plan; what is known now stays known."""
    return max(noise.df, noise.rows * (replicates - 1))


def _t(df: float, tail: float) -> float:
    return float(stdtrit(min(df, 1e9), tail))


def power_at(found: Estimate, difference: float, replicates: float, queries: float = 1.0) -> float:
    """The power of a two-sided 5 % test at this difference under a plan; NaN: noise not known."""
    if found.unknown:
        return math.nan
    if difference == 0 or _planned(found, replicates, queries)[0] == 0:
        return ALPHA if difference == 0 else 1.0
    low, high = 1e-6, 1 - 1e-9
    if detectable(found, replicates, queries, power=high) <= abs(difference):
        return 1.0
    return float(brentq(lambda p: detectable(found, replicates, queries, power=p) - abs(difference), low, high))
