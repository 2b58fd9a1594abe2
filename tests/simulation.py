"""Experiments of eight variants with known truth: how often intervals hold it, and how often outcomes are wrong."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from clipvip.results import intervals, noise, outcomes, variance
from clipvip.results.noise import Row
from clipvip.results.variance import Estimate, RunNoise, Term

VARIANTS, BASE, MARGIN = 8, 0.40, 2.0
CLUSTERS = np.repeat(np.arange(667), np.tile([1, 2], 334)[:667])  # every other clip has a twin: 1,000 queries
SHARED, OWN, FLIP = 1.0, 0.6, 0.25  # sd of a query's difficulty: for all, for one variant, in one run
SHAPE = (SHARED**2 + OWN**2 + FLIP**2) ** 0.5
STUDY_DF = 8


class Found(NamedTuple):
    """Shares of the comparisons with the baseline, or of the rounds."""

    coverage: float  # 95 % intervals that hold the truth
    width: float  # median of the whole interval, points
    wrong: float  # single: p < 0.05 though there is no difference, or on the wrong side
    family: float  # rounds with any wrong outcome after Holm
    power: float  # single: p < 0.05 and on the right side
    noisy: float  # coverage of the comparison with the unequal variant


def simulate(rounds: int, replicates: int, *, sd: float = 1.2, effect: float = 0.0, unequal: float = 1.0) -> Found:
    """`effect` points lie between the baseline and every other variant; the runs of all have this sd in points, those
    of one variant `unequal` times as much. One replicate knows the noise from a study of eight degrees of freedom."""
    generator = np.random.default_rng([replicates, round(100 * sd), round(100 * effect), round(100 * unequal)])
    within = _flips(effect)
    shifts = np.full(VARIANTS, math.sqrt(max(0.0, sd**2 - within)))
    shifts[1] = math.sqrt(max(0.0, (sd * unequal) ** 2 - within))
    kept: list[tuple[bool, float, bool, bool]] = []
    families = 0
    for _ in range(rounds):
        scores = _scores(generator, replicates, effect, shifts)
        found = _compared(scores, generator, sd, within)
        p = intervals.holm(np.array([each.p() for each in found]))
        same = intervals.holm(np.array([each.p_same(MARGIN) for each in found]))
        came = [outcomes.outcome(each, ">", *own) for each, *own in zip(found, p, same, strict=True)]
        wrong = {outcomes.YES, outcomes.NO} if effect == 0 else {outcomes.NO, *([outcomes.SAME] * (effect >= MARGIN))}
        families += any(each in wrong for each in came)
        for each in found:
            low, high = each.interval()[1:]
            right = effect != 0 and each.value > 0
            kept.append((low <= effect <= high, high - low, each.p() < 0.05 and not right, each.p() < 0.05 and right))
    held, width, wrong_of, power = (np.array(column, float) for column in zip(*kept, strict=True))
    coverage, single, shown = (float(each.mean()) for each in (held, wrong_of, power))
    noisy = float(held.reshape(rounds, VARIANTS - 1)[:, 0].mean())
    return Found(coverage, float(np.median(width)), single, families / rounds, shown, noisy)


def _compared(scores: np.ndarray, generator: np.random.Generator, sd: float, within: float) -> list[Estimate]:
    """Every variant against the first, by the model that the tables use."""
    replicates, rows = scores.shape[1], []
    for index, runs in enumerate(scores):
        part = variance.interaction(list(runs), CLUSTERS) if replicates > 1 else math.nan
        rows.append(Row(str(index), runs.mean(axis=1), part))
    known = sd**2 * generator.chisquare(STUDY_DF) / STUDY_DF
    pool = noise.pool(
        "class", rows, RunNoise("class", float(known), float(STUDY_DF), within) if replicates == 1 else None
    )
    terms = [
        Term(1.0, {f"{index}/{run}": each for run, each in enumerate(runs)}, pool.of(str(index)))
        for index, runs in enumerate(scores)
    ]
    base = terms[0]._replace(weight=-1.0)
    return [variance.estimate([term, base], CLUSTERS, span=100.0) for term in terms[1:]]


def _scores(generator: np.random.Generator, replicates: int, effect: float, shifts: np.ndarray) -> np.ndarray:
    """100 where a query is answered, [variant, run, query]; its share of all possible queries and runs is the truth."""
    shares = np.full(VARIANTS, BASE + effect / 100)
    shares[0] = BASE
    shift = shifts / 100 / _slope(shares)  # points -> units of difficulty
    shared = SHARED * generator.standard_normal(CLUSTERS[-1] + 1)[CLUSTERS]
    own = OWN * generator.standard_normal((VARIANTS, 1, len(CLUSTERS)))
    flips = FLIP * generator.standard_normal((VARIANTS, replicates, len(CLUSTERS)))
    trained = shift[:, None, None] * generator.standard_normal((VARIANTS, replicates, 1))
    mean = ndtri(shares) * np.sqrt(SHAPE**2 + shift**2)
    return np.where(mean[:, None, None] + shared + own + flips + trained > 0, 100.0, 0.0)


def _slope(shares: np.ndarray) -> np.ndarray:
    """Change of the share for each unit of difficulty: a normal density."""
    return np.exp(-(ndtri(shares) ** 2) / 2) / math.sqrt(2 * math.pi) / SHAPE


def _flips(effect: float) -> float:
    """Variance of a run's mean from single queries, in squared points: what two runs of one variant differ by."""
    generator = np.random.default_rng(0)
    means = [_scores(generator, 2, effect, np.zeros(VARIANTS)).mean(axis=2) for _ in range(100)]
    return float(np.mean([np.var(each, axis=1, ddof=1).mean() for each in means]))
