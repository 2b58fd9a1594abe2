"""Looking at growing results: the chance of a decision, the choice of a step, and the error rate, simulated."""

import math

import numpy as np
import pytest

from clipvip.results import outcomes, power, sequential
from clipvip.results.sequential import Step
from clipvip.results.variance import Estimate, RunNoise, Term, estimate

CLUSTERS = np.arange(80)
LOOKS = 3


def known(value: float, queries: float, runs: float, replicates: int = 2) -> Estimate:
    """A difference of two variants whose variances are known."""
    noise = RunNoise("class", runs, math.inf)
    return Estimate(value, queries, math.inf, {noise: 2 / replicates}, {noise: 2.0})


def test_steps_double_the_replicates_or_the_test_sets() -> None:
    assert sequential.steps(2, more_queries=True) == [Step(4), Step(2, 2)]
    assert sequential.steps(2, more_queries=False) == [Step(4)]
    assert sequential.steps(1, more_queries=True) == [Step(2)]  # the noise is not known: that comes first


def test_half_width_and_gain_by_hand() -> None:
    """Variances 1 (queries) and 2 x 1.5 / k (runs): standard errors 1.581 at two runs, 1.323 at four, 1.414 with twice
    the queries; times the normal quantile of 1.96."""
    found = known(0.0, 1.0, 1.5)
    assert sequential.half_width(found, Step(2), 0.05) == pytest.approx(1.959964 * math.sqrt(2.5))
    assert sequential.gain(found, Step(4), 0.05, 2) == pytest.approx(1.959964 * (math.sqrt(2.5) - math.sqrt(1.75)))
    assert sequential.gain(found, Step(2, 2), 0.05, 2) == pytest.approx(1.959964 * (math.sqrt(2.5) - math.sqrt(2.0)))
    assert sequential.gain(known(9.0, 1.0, 1.5), Step(4), 0.05, 2) == sequential.gain(found, Step(4), 0.05, 2)


def test_the_chance_of_a_decision_against_draws_of_the_next_estimate() -> None:
    generator, step, alpha, margin = np.random.default_rng(0), Step(4), 0.0167, 2.0
    for value in (0.0, 1.0, 3.0, 5.0):
        found, after = known(value, 0.2, 1.0), known(value, 0.2, 1.0, 4)
        draws = value + math.sqrt(found.error**2 - after.error**2) * generator.standard_normal(20_000)
        new = [Estimate(float(each), 0.2, math.inf, after.parts, after.single) for each in draws[:2000]]
        decided = np.mean([each.p() < alpha or each.p_same(margin) < alpha for each in new])
        assert sequential.chance(found, margin, step, alpha) == pytest.approx(float(decided), abs=0.04)


def test_where_the_noise_is_not_known_a_step_tells_it() -> None:
    found = Estimate(1.0, 1.0, 50.0, unknown=True)
    assert sequential.chance(found, 2.0, Step(2), 0.05) == 1.0
    assert sequential.gain(found, Step(2), 0.05, 1) == math.inf


def play(generator: np.random.Generator, looks: int, alpha: float) -> bool:
    """Two lines without a true difference, followed as the rule says; whether any look says yes or no."""
    most, queries = 2 * 2 ** (looks - 1), len(CLUSTERS) * 2 ** (looks - 1)
    runs = 10 * generator.standard_normal((3, 1, queries)) + 4 * generator.standard_normal((3, most, queries))
    runs += 1.2 * generator.standard_normal((3, most, 1))
    replicates, times, going = 2, 1, {1, 2}
    for look in range(looks):
        seen = runs[:, :replicates, : len(CLUSTERS) * times]
        means = seen.mean(axis=2)
        noise = RunNoise("class", float(means.var(axis=1, ddof=1).mean()), 3.0 * (replicates - 1), 0.0, 3)
        terms = [Term(1.0, {f"{i}/{k}": row for k, row in enumerate(each)}, noise) for i, each in enumerate(seen)]
        base, clusters = terms[0]._replace(weight=-1.0), np.arange(seen.shape[2])
        found = {line: estimate([terms[line], base], clusters) for line in (1, 2)}
        p = {line: found[line].p() for line in going}
        if any(each < alpha / 2 for each in p.values()):  # Holm's first step over two lines
            return True
        going = {line for line in going if sequential.chance(found[line], 2.0, Step(2 * replicates), alpha / 2) > 0.02}
        if not going or look == looks - 1:
            return False
        options = sequential.steps(replicates, more_queries=True)
        step = max(options, key=lambda one: sequential.gain(found[min(going)], one, alpha, replicates))
        replicates, times = (replicates, 2 * times) if step.queries == 2 else (step.replicates, times)
    return False


def test_the_rule_keeps_the_error_rate_where_testing_each_look_at_five_percent_does_not() -> None:
    rounds = 500
    for alpha, low, high in (
        (outcomes.ALPHA / LOOKS, 0.0, 0.05 + 2 * math.sqrt(0.05 * 0.95 / rounds)),
        (0.05, 0.075, 1.0),
    ):
        generator = np.random.default_rng(1)
        wrong = sum(play(generator, LOOKS, alpha) for _ in range(rounds)) / rounds
        assert low <= wrong <= high, (alpha, wrong)


def test_a_detectable_difference_is_the_half_width_at_half_power() -> None:
    found = known(0.0, 1.0, 1.5)
    assert power.detectable(found, 2.0, power=sequential.HALF) == pytest.approx(found.interval().high)
