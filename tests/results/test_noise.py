"""Pools of training noise by hand, outlying rows, and what more replicates would show."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from study_cells import plan_of

from clipvip.results import noise, outcomes, power, registered
from clipvip.results.noise import Row
from clipvip.results.variance import Estimate, RunNoise


def _row(name: str, variance: float, runs: int = 3) -> Row:
    values = np.arange(runs, dtype=np.float64)
    return Row(name, values * math.sqrt(variance / np.var(values, ddof=1)), 0.1)


def test_a_pool_weighs_by_degrees_of_freedom_and_one_run_adds_none() -> None:
    found = noise.pool("x", [_row("a", 1.0), _row("b", 4.0, runs=2), Row("c", np.array([5.0]))]).of("c")
    assert found is not None
    assert (found.variance, found.df, found.rows) == pytest.approx(((2 * 1 + 4) / 3, 3, 2))
    assert noise.pool("x", [Row("c", np.array([5.0]))]).of("c") is None
    raised = noise.pool("x", [_row("a", 0.01)]).of("a")
    assert raised is not None
    assert raised.variance == pytest.approx(0.1)  # what single queries bring


def test_an_outlying_row_is_named_and_keeps_its_own_moderated_by_its_class() -> None:
    rows = [_row(name, 1.0) for name in "abcdef"] + [_row("wild", 60.0)]
    found = noise.pool("x", rows)
    assert list(found.own) == ["wild"]
    wild, rest = found.of("wild"), found.of("a")
    assert wild is not None
    assert rest is not None
    assert (wild.variance, wild.df, rest.variance, rest.df) == pytest.approx(((2 * 60 + 1) / 3, 3, 1, 12))
    assert noise.outliers(rows[:6]) == []


def test_a_noise_study_joins_unless_it_contradicts() -> None:
    rows = [_row(name, 1.0) for name in "abcd"]
    joined = noise.pool("x", rows, RunNoise("x", 2.0, 8.0)).of("a")
    assert joined is not None
    assert (joined.variance, joined.df) == pytest.approx(((8 * 1 + 8 * 2) / 16, 16))
    against = noise.pool("x", rows, RunNoise("x", 50.0, 8.0))
    assert against.refused
    assert against.common is not None
    assert against.common.variance == pytest.approx(1)


def test_more_replicates_and_queries_show_less() -> None:
    known = RunNoise("x", 1.44, math.inf, 0.44, 8)
    found = Estimate(2.5, 1.0, 1e9, {known: 1.0}, {known: 2.0})
    quantiles = 1.959964 + 0.841621
    assert power.detectable(found, 4.0) == pytest.approx(quantiles * math.sqrt(1 + 2 * 1.44 / 4), rel=1e-4)
    assert power.detectable(found, math.inf) == pytest.approx(quantiles, rel=1e-4)
    assert power.detectable(found, 1.0, 4.0) == pytest.approx(quantiles * math.sqrt(0.25 + 2 * 1.11), rel=1e-4)
    for plan in power.needs(found, 3.0):
        assert power.detectable(found, float(plan.replicates), float(plan.queries)) <= 3
    assert power.needs(found, 3.0)[0].replicates == 20
    assert power.power_at(found, power.detectable(found, 4.0), 4.0) == pytest.approx(0.8, abs=1e-6)
    assert power.needs(found, 1e-3) == []
    own = power.needs(found, 5.0, alpha=0.01)[0].replicates  # quantiles 2.5758 and 0.8416: 11.68 (1 + 2.88 / k) <= 25
    assert own == min(k for k in power.REPLICATES if 3.41745 * math.sqrt(1 + 2.88 / k) <= 5)
    assert own > power.needs(found, 5.0)[0].replicates


def test_what_there_is_already_is_no_plan() -> None:
    found = Estimate(9.0, 1.0, 1e9, {RunNoise("x", 1.44, math.inf): 1.0}, {RunNoise("x", 1.44, math.inf): 2.0})
    assert power.needs(found, 9.0)[0] == power.Plan(1)
    plans = power.needs(found, 9.0, present=2)
    assert plans[0] == power.Plan(3)
    assert all(plan.replicates > 2 or plan.queries > 1 for plan in plans)


def test_outcomes_by_hand() -> None:
    found = Estimate(1.0, 1.0, 99.0)
    assert outcomes.outcome(found, ">", 0.01, 0.9) == outcomes.YES
    assert outcomes.outcome(found, "<", 0.01, 0.9) == outcomes.NO
    assert outcomes.outcome(found, ">", 0.01, 0.01) == outcomes.SAME
    assert outcomes.outcome(found, ">", 0.2, 0.9) == outcomes.OPEN
    assert outcomes.outcome(None, ">", math.nan, math.nan) == outcomes.OPEN
    assert outcomes.outcome(Estimate(1.0, 1.0, 99.0, unknown=True), ">", math.nan, math.nan) == outcomes.ONE_RUN


def test_lines_are_recorded_once_and_late_ones_are_marked(tmp_path: Path) -> None:
    first, late = "small < none on msrvtt/t2v/R@5", "large > none on msrvtt/t2v/R@5"
    plan, folder = plan_of(tmp_path, (0,), expect=[first]), tmp_path / "study"
    empty = {**plan, "results": str(tmp_path / "nothing")}
    registered.record(empty, folder)
    written = (folder / "expected.json").read_text()
    registered.record(plan, folder)
    assert (folder / "expected.json").read_text() == written
    plan["expect"].append(late)
    assert registered.stated(plan, folder)[late] == registered.UNKNOWN
    registered.record(plan, folder)
    assert registered.stated(plan, folder) == {first: registered.BEFORE, late: registered.AFTER}
    assert json.loads(written).items() <= json.loads((folder / "expected.json").read_text()).items()
    changed = {**plan, "margins": {"R@5": 0.5}}
    assert registered.stated(changed, folder)[first] == registered.UNKNOWN
