"""tests.csv, verdicts.csv and detectable.csv of a study: what its differences are worth."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from clipvip.config.claims import CO_PRIMARY, MARGINS, Metric
from clipvip.results import intervals, notes, outcomes, power, registered
from clipvip.results.experiment import Experiment
from clipvip.results.lines import Answer, Line, looks_of
from clipvip.results.study_results import Study
from clipvip.results.variance import Estimate

TESTS = ["variant", "baseline", "set", "when", "metric", "value", "baseline_value", "difference", "low", "high"]
TESTS += ["margin", "p", "p_holm", "chance", "effect_size", "num_queries", "num_clusters", "replicates", "df"]
TESTS += ["detectable", "floor", "note"]
OWN = ["difference", "low", "high", "margin", "p", "p_holm", "p_same", "chance", "verdict", "decides"]
VERDICTS = ["expect", "metric", "left", "right", *OWN, "replicates", "lines", "stated"]
VERDICTS += [f"{CO_PRIMARY}/{name}" for name in OWN] + ["note"]
NO_DATA = "not run: no data"
DETECTABLE = ["expect", "metric", "replicates", "queries", "detectable"]
PLANNED = (1.0, 2.0, 3.0, 5.0, 8.0, math.inf)  # replicates whose detectable difference is told; the last is the floor
TIMES = (1.0, 2.0, 4.0)  # the same of test queries


def tests(experiment: Experiment, study: Study) -> pd.DataFrame:
    """Every variant against the baseline, on R@5, log2R and whatever the lines name, text to video; Holm's correction
    over the tests of one score. `chance`: that a new run of the variant beats one of the baseline."""
    baseline, named = study.plan["baseline"], (line.metric for line in study.expectations())
    scores = dict.fromkeys(["R@5", *(each.score for each in named if each.direction == "t2v"), CO_PRIMARY])
    rows = [
        _test(experiment, study, (variant, baseline), Metric(downstream, when, "t2v", score))
        for variant in study.variants
        if baseline is not None and variant != baseline
        for downstream in (*study.downstream, *study.sets_left_out)
        for when in ("fine_tuned", "zero_shot")
        for score in scores
    ]
    found = pd.DataFrame(rows, columns=TESTS)
    for score in scores:
        own = found["metric"].str.endswith(f"/{score}").to_numpy(bool)
        found.loc[own, "p_holm"] = intervals.holm(found.loc[own, "p"].to_numpy(np.float64))
    return found


def _test(experiment: Experiment, study: Study, pair: tuple[str, str], metric: Metric) -> dict[str, Any]:
    variant, baseline = pair
    row: dict[str, Any] = {"variant": variant, "baseline": baseline, "set": metric.downstream, "when": metric.when}
    row |= {"metric": metric.name, "replicates": 0, "p": math.nan, "note": "missing"}
    compared = experiment.compare(study, {variant: 1.0, baseline: -1.0}, metric)
    if compared is None:
        absent = metric.downstream in study.left_out or any(name in study.not_run for name in pair)
        return row | ({"note": NO_DATA} if absent else {})
    found, (a, b) = compared.estimate, (compared.scores[name] for name in pair)
    row |= {"value": compared.figures[variant], "baseline_value": compared.figures[baseline]}
    row |= {"margin": (MARGINS | (study.plan.get("margins") or {}))[metric.score], "replicates": compared.replicates}
    row |= {"effect_size": intervals.effect_size(a, b, compared.clusters), "df": found.df}
    row |= {"num_queries": len(a), "num_clusters": len(np.unique(compared.clusters))}
    note = notes.coverage(experiment, study, one_run=found.unknown)
    return row | _figures(found, compared.replicates, metric) | {"note": note}


def _figures(found: Estimate, replicates: int, metric: Metric) -> dict[str, float]:
    low, high = _within(found, metric)
    chance = found.chance_in_a_new_run()
    chance = 1 - chance if metric.score in ("MdR", "MnR", CO_PRIMARY) else chance  # a smaller rank is a better one
    row = {"difference": found.value, "low": low, "high": high, "p": found.p(), "chance": chance}
    row["detectable"] = power.detectable(found, float(max(1, replicates)))
    return row | {"floor": power.detectable(found, math.inf)}


def _within(found: Estimate, metric: Metric) -> tuple[float, float]:
    """A difference of two percentages lies within -100 and 100."""
    most = 100.0 if metric.score.startswith("R@") or metric.score == "order" else math.inf
    interval = found.interval()
    return max(interval.low, -most), min(interval.high, most)


def verdicts(experiment: Experiment, study: Study, lines: Iterable[Line], stated: Mapping[str, str]) -> pd.DataFrame:
    """A row a line of `expect`: outcome, difference left - right, margin, corrected p, what would decide; beside it the
    same on the co-primary metric. `stated` says of a line when it was written down."""
    own = [line for line in lines if line.study == study.plan["study"]]
    return pd.DataFrame([_verdict(experiment, study, line, stated) for line in own], columns=VERDICTS)


def _verdict(experiment: Experiment, study: Study, line: Line, stated: Mapping[str, str]) -> dict[str, Any]:
    one, two = line.primary, line.co_primary
    row: dict[str, Any] = {"expect": line.expectation.line, "metric": one.metric.name}
    no_data = study.no_data(line.expectation)
    if no_data:
        return row | {"verdict": outcomes.NOT_RUN, "replicates": 0, "note": f"{NO_DATA} ({no_data})"}
    row |= {"left": one.left, "right": one.right, "replicates": one.replicates, "lines": line.family}
    row |= _decided(one) | {"stated": stated.get(line.expectation.line, registered.UNKNOWN)}
    if two is not None:
        row |= {f"{CO_PRIMARY}/{name}": value for name, value in _decided(two).items()}
    return row | {"note": "; ".join(filter(None, _note(experiment, study, line)))}


def _decided(answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {"margin": answer.margin, "verdict": answer.outcome, "decides": answer.decides}
    found = answer.estimate
    if found is None:
        return row | {"difference": math.nan, "low": math.nan, "high": math.nan}
    low, high = _within(found, answer.metric)
    chance = found.chance_in_a_new_run() if answer.metric.when != "nmi" else math.nan
    row |= {"difference": found.value, "low": low, "high": high, "p": found.p(), "p_holm": answer.p}
    return row | {"p_same": answer.p_same, "chance": chance if answer.sign == ">" else 1 - chance}


def _note(experiment: Experiment, study: Study, line: Line) -> list[str]:
    one = line.primary
    if one.estimate is None:
        return [
            "missing: "
            + (f"no {one.metric.name} of both sources" if one.metric.when == "nmi" else "no run of some variant")
        ]
    if one.metric.when == "nmi":
        return ["repeated draws of sentences from the same corpora, one text encoder"]
    said = [notes.coverage(experiment, study, one_run=one.estimate.unknown)]
    said += [f"missing: seed {', '.join(map(str, line.missing))}"] * bool(line.missing)
    said += [
        notes.outlying(pool)
        for pool in experiment.noise(one.metric).values()
        if set(pool.own) & {each.name for each in one.estimate.parts}
    ]
    said += ["the noise study contradicts these runs and is not used"] * any(
        pool.refused for pool in experiment.noise(one.metric).values()
    )
    if (looks := looks_of(experiment)) > 1:
        said.append(f"tested at {outcomes.ALPHA / looks:.1%}: one of at most {looks} looks")
    interval = one.estimate.interval()
    if one.outcome == outcomes.OPEN and interval.low * interval.high > 0:
        said.append(f"the interval leaves 0 out, which does not hold for {line.family} lines together")
    if line.disagree and line.co_primary is not None:
        said.append(
            f"the metrics disagree: {one.metric.score} says {one.outcome}, {CO_PRIMARY} {line.co_primary.outcome}"
        )
    return said


def detectable(study: Study, lines: Iterable[Line]) -> pd.DataFrame:
    """The difference that each line would show with 80 % power: a row a number of replicates (inf: the floor that no
    number of them removes) and times of the test queries."""
    rows = [
        (line.expectation.line, each.metric.name, replicates, times, power.detectable(each.estimate, replicates, times))
        for line in lines
        if line.study == study.plan["study"]
        for each in (line.primary, line.co_primary)
        if each is not None and each.estimate is not None and each.metric.when != "nmi"
        for replicates in PLANNED
        for times in TIMES
    ]
    return pd.DataFrame(rows, columns=DETECTABLE)
