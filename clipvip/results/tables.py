"""The tables of a study: receipts and ranks of its cells -> values, intervals, tests and verdicts (pandas only).

table.csv has a row a variant and seed, summary.csv a row a variant over seeds, tests.csv every variant against
the baseline, verdicts.csv the paper's claims, curves.csv the validation scores along post-pretraining, gap.csv and
language.csv the language domain gap (sections 3.1 to 4), trends.csv slopes along a scale, published.csv what papers
give, at their scale only. A cell that is not finished leaves blanks and a row of status "missing", or "failed" with
the reason.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipvip.config.claims import ALONE, RANKS, Expectation, Metric, metrics
from clipvip.results import intervals, published, repeated_draws, study_files
from clipvip.results.gap_table import crossed, gap, shares
from clipvip.results.intervals import Interval
from clipvip.results.resampling import Clusters, Values
from clipvip.results.study_results import Evaluation, Study, answers_of, statistic
from clipvip.results.trends import trends
from clipvip.runtime import cell_files
from clipvip.runtime.files import written

VAL = ["val/t2v/R@1", "val/t2v/R@5", "val/t2v/R@10"]
TESTS = ["variant", "baseline", "set", "when", "metric", "value", "baseline_value", "difference", "low", "high", "p"]
TESTS += ["p_holm", "effect_size", "num_queries", "num_clusters", "num_seeds", "queries_needed", "test", "note"]
VERDICTS = ["expect", "metric", "left", "right", "difference", "low", "high", "verdict", "seeds", "note"]
ONE_SEED = "one seed: the interval holds query sampling only, not training noise"
NOTHING = Interval(math.nan, math.nan, math.nan)


def make(plan: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the tables into `out` and return counts (rows, missing, verdicts). ValueError: a bad line or cell."""
    study = Study(plan)
    expectations = study.expectations()
    tables = {study_files.TABLE: table(study), study_files.SUMMARY: summary(study)}
    tables |= {study_files.TESTS: tests(study), study_files.CURVES: curves(study)}
    tables[study_files.VERDICTS] = pd.DataFrame([verdict(study, each) for each in expectations], columns=VERDICTS)
    if plan.get("gap"):
        tables |= {study_files.GAP: gap(study), study_files.LANGUAGE: study.language}
    if plan.get("trend"):
        tables[study_files.TRENDS] = trends(study)
    if plan.get("published"):
        tables[study_files.PUBLISHED] = _published(plan)
    for name, rows in tables.items():
        with written(out / name) as beside:
            rows.to_csv(beside, index=False, float_format="%.10g")
    counts = {str(name): int(count) for name, count in tables[study_files.VERDICTS]["verdict"].value_counts().items()}
    missing = int((tables[study_files.TABLE]["status"] != "finished").sum())
    return {"rows": len(tables[study_files.TABLE]), "missing": missing, "verdicts": counts}


def _published(plan: dict[str, Any]) -> pd.DataFrame:
    path, scale = plan["published"]
    return published.recalls(path, scale, plan["study"], plan["downstream"])


def table(study: Study) -> pd.DataFrame:
    """A row a variant and seed: metrics, intervals over queries, keys of the cells, what is missing."""
    rows: list[list[dict[str, Any]]] = []
    for row in study.plan["rows"]:
        keys = {role: key for role, key in row["cells"].items() if key}
        missing = [role for role, key in keys.items() if key not in study.cells]
        prints = {role: study.cells[key].receipt["fingerprint"] for role, key in keys.items() if key in study.cells}
        cells = {f"cell/{role}": key for role, key in keys.items()}
        failed = {role: study.failures[key] for role, key in keys.items() if key in study.failures}
        state = {"status": "failed" if failed else "missing" if missing else "finished", "missing": " ".join(missing)}
        state["reason"] = "; ".join(dict.fromkeys(failed.values()))
        state["fingerprints"] = json.dumps(prints)
        rows.append([{"variant": row["variant"], "seed": row["seed"]}, _values(study, row), cells, state])
    columns = dict.fromkeys(name for part in zip(*rows, strict=True) for each in part for name in each)
    return pd.DataFrame([{k: v for part in row for k, v in part.items()} for row in rows], columns=list(columns))


def _values(study: Study, row: dict[str, Any]) -> dict[str, float]:
    """The metrics of one row; intervals for the recalls and log2R that no other query helped, and for order."""
    found: dict[str, float] = {}
    for metric in metrics(study.downstream):
        evaluation = study.evaluation(row, metric)
        if evaluation is None:
            continue
        interval = metric.direction in ALONE and metric.score not in ("MdR", "MnR")
        own = evaluation.metrics[metric.name.removeprefix(f"{metric.downstream}/").removeprefix("zero_shot/")]
        found |= _spread(metric.name, _interval([evaluation], metric)) if interval else {}
        found[metric.name] = own
    for downstream in study.downstream:
        found |= _ceilings(study, row, downstream)
    return found


def _ceilings(study: Study, row: dict[str, Any], downstream: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for when, middle in (("fine_tuned", ""), ("zero_shot", "zero_shot/")):
        key = row["cells"].get(f"{when}/{downstream}")
        values = study.read(key).metrics if key in study.cells else {}
        ceilings = {name: value for name, value in values.items() if name.startswith("ceiling/")}
        found |= {f"{downstream}/{middle}{name}": value for name, value in ceilings.items()}
    return found


def summary(study: Study) -> pd.DataFrame:
    """A row a variant: the mean over seeds and its interval, of queries and, from two seeds on, of training."""
    rows = []
    for variant in study.variants:
        own = [row for row in study.plan["rows"] if row["variant"] == variant]
        found: dict[str, Any] = {"variant": variant, "seeds": len(own)}
        for metric in metrics(study.downstream):
            distinct = list({each.key: each for each in study.evaluations(variant, metric).values()}.values())
            if distinct:
                found |= _spread(metric.name, _interval(distinct, metric))
        ceilings = [_ceilings(study, row, downstream) for downstream in study.downstream for row in own]
        rows.append(found | {name: value for each in ceilings for name, value in each.items()})
    return pd.DataFrame(rows)


def _spread(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}/low": interval.low, f"{name}/high": interval.high}


def _interval(evaluations: list[Evaluation], metric: Metric) -> Interval:
    """Over queries, and over seeds where there are several; a percentage stays within 0 and 100, a rank above 1, its
    logarithm above 0."""
    answers = answers_of(evaluations, metric.direction)
    scores = [each.scores(metric.score) for each in answers]
    found = intervals.over_seeds(scores, answers[0].cluster, statistic=statistic(metric.score))
    least = 1.0 if metric.score in ("MdR", "MnR") else 0.0
    most = math.inf if metric.score in RANKS else 100.0
    return Interval(found.estimate, max(found.low, least), min(found.high, most))


def tests(study: Study) -> pd.DataFrame:
    """Every variant against the baseline: text-to-video mean reciprocal rank and R@1; Holm's correction over all.

    With one seed p is of sign flips by cluster; with several it is of the interval's own variance (queries and
    training). `queries_needed`: texts for 80 % power at the difference seen, training noise left aside.
    """
    baseline = study.plan["baseline"]
    pairs = [(variant, baseline) for variant in study.variants if baseline is not None and variant != baseline]
    rows = [
        _test(study, variant, against, Metric(downstream, when, "t2v", score))
        for variant, against in pairs
        for downstream in study.downstream
        for when in ("fine_tuned", "zero_shot")
        for score in ("MRR", "R@1")
    ]
    found = pd.DataFrame(rows, columns=TESTS)
    found["p_holm"] = intervals.holm(found["p"].to_numpy(np.float64))
    return found


def _test(study: Study, variant: str, baseline: str, metric: Metric) -> dict[str, Any]:
    row: dict[str, Any] = {"variant": variant, "baseline": baseline, "set": metric.downstream, "when": metric.when}
    row |= {"metric": metric.name, "num_seeds": 0, "p": math.nan, "note": "missing"}
    pairs = study.pairs(variant, baseline, metric)
    if not pairs:
        return row
    left, right, clusters = _paired_scores(pairs, metric)
    a, b = np.mean(left, axis=0), np.mean(right, axis=0)
    interval = intervals.over_seeds(left, clusters, baseline=right)
    differences = intervals.cluster_differences(a, b, clusters)
    row |= {"value": a.mean(), "baseline_value": b.mean(), "effect_size": intervals.effect_size(a, b, clusters)}
    row |= {"difference": interval.estimate, "low": interval.low, "high": interval.high, "num_seeds": len(pairs)}
    row |= {"num_queries": len(a), "num_clusters": len(differences)}
    needed = intervals.queries_needed(interval.estimate, float(differences.std(ddof=1)))
    row["queries_needed"] = math.ceil(needed * len(a) / len(differences)) if math.isfinite(needed) else needed
    if len(pairs) == 1:
        row |= {"p": intervals.paired_permutation(a, b, clusters), "test": "sign flips", "note": ONE_SEED}
    else:
        spread = intervals.spread_over_seeds(left, clusters, baseline=right)
        row |= {"p": intervals.p_over_seeds(spread), "test": "t over seeds", "note": ""}
    return row


def _paired_scores(
    pairs: list[tuple[Evaluation, Evaluation]], metric: Metric
) -> tuple[list[Values], list[Values], Clusters]:
    """Scores of the same queries, a seed each: left, right, and the clusters of the queries."""
    answers = answers_of([each for pair in pairs for each in pair], metric.direction)
    scores = [each.scores(metric.score) for each in answers]
    return scores[::2], scores[1::2], answers[0].cluster


def verdict(study: Study, expectation: Expectation) -> dict[str, Any]:
    """One line of `expect`: yes or no where the whole interval of left - right lies on one side, else undetermined."""
    metric = expectation.metric
    row: dict[str, Any] = {"expect": expectation.line, "metric": metric.name}
    interval, (left, right), seeds, note = (_gap_verdict if metric.when == "nmi" else _score_verdict)(
        study, expectation
    )
    row |= {"left": left, "right": right, "difference": interval.estimate, "low": interval.low, "high": interval.high}
    below, above = interval.high < 0, interval.low > 0
    claimed, other = (below, above) if expectation.sign == "<" else (above, below)
    return row | {"verdict": "yes" if claimed else "no" if other else "undetermined", "seeds": seeds, "note": note}


def _score_verdict(study: Study, expectation: Expectation) -> tuple[Interval, tuple[float, float], int, str]:
    """Interval of left - right, both values, seeds, note."""
    metric = expectation.metric
    pairs = study.pairs(expectation.left, expectation.right, metric)
    if not pairs:
        return NOTHING, (math.nan, math.nan), 0, "missing: no seed at which both are finished"
    left, right, clusters = _paired_scores(pairs, metric)
    kind = statistic(metric.score)
    interval = intervals.over_seeds(left, clusters, baseline=right, statistic=kind)
    values = [float(np.mean([getattr(np, kind)(each) for each in side])) for side in (left, right)]
    absent = study.absent(expectation.left, expectation.right, metric)
    notes = [ONE_SEED] * (len(pairs) == 1) + [f"missing: seed {', '.join(map(str, absent))}"] * bool(absent)
    return interval, (values[0], values[1]), len(pairs), "; ".join(notes)


def _gap_verdict(study: Study, expectation: Expectation) -> tuple[Interval, tuple[float, float], int, str]:
    """The same for NMI: repeats are paired, since both sources met the same sentences of the downstream set in each."""
    rows = study.nmi[study.nmi["downstream"] == expectation.metric.downstream]
    sides = {name: rows[rows["source"] == name].sort_values("repeat") for name in (expectation.left, expectation.right)}
    if any(side.empty for side in sides.values()):
        return NOTHING, (math.nan, math.nan), 0, f"missing: no {expectation.metric.name} of both sources"
    (left, right), (one, other) = map(crossed, sides.values()), map(shares, sides.values())
    own = max(one[0], other[0]), one[1]  # both sources met the same sentences of the set
    note = f"{len(left)} repeated draws of sentences from the same corpora, one text encoder"
    return repeated_draws.interval(left - right, own), (float(left.mean()), float(right.mean())), 1, note


def curves(study: Study) -> pd.DataFrame:
    """Validation scores along post-pretraining: variant, seed, step, and every val column."""
    found = [pd.DataFrame(columns=["variant", "seed", "step", *VAL])]
    for row in study.plan["rows"]:
        key = row["cells"].get("pretrain")
        path = study.cells[key].folder / cell_files.HISTORY if key in study.cells else None
        if path is None or not path.is_file():
            continue
        history = pd.read_csv(path)
        columns = [name for name in history.columns if name.startswith("val/")]
        validated = history.dropna(subset=columns, how="all") if columns else history[:0]
        found.append(validated[["step", *columns]].assign(variant=row["variant"], seed=row["seed"]))
    return pd.concat([each.astype(object) for each in found], ignore_index=True)
