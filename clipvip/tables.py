"""The tables of a study: receipts and ranks of its cells -> values, intervals, tests and verdicts (pandas only).

table.csv has a row a variant and seed, summary.csv a row a variant over seeds, tests.csv every variant against
the baseline, verdicts.csv the paper's claims, curves.csv the validation scores along post-pretraining, gap.csv
the language domain gap (sections 3.1 to 4). A cell that is not finished leaves blanks and a row of status "missing".
"""

import json
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipvip import statistics
from clipvip.expect import DIRECTIONS, Expectation, Metric, check_expect, metrics
from clipvip.outcomes import Answers, Evaluation, answers_of, read_evaluation, statistic
from clipvip.receipts import Finished, Use, find, uses
from clipvip.statistics import Interval

VAL = ["val/t2v/R@1", "val/t2v/R@5", "val/t2v/R@10"]
TESTS = ["variant", "baseline", "set", "when", "metric", "value", "baseline_value", "difference", "low", "high", "p"]
TESTS += ["p_holm", "effect_size", "num_queries", "num_clusters", "num_seeds", "queries_needed", "test", "note"]
VERDICTS = ["expect", "metric", "left", "right", "difference", "low", "high", "verdict", "seeds", "note"]
GAP = ["source", "downstream", "nmi", "low", "high", "repeats", "sentences"]
ONE_SEED = "one seed: the interval holds query sampling only, not training noise"
NOTHING = Interval(math.nan, math.nan, math.nan)
Scores = list[NDArray[np.float64]]


def make(plan: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the study's tables into `out`; counts of rows, missing rows and verdicts. ValueError: a bad line or cell."""
    study = Study(plan)
    expectations = study.expectations()
    rows = table(study)
    tables = {"table": rows, "summary": summary(study), "tests": tests(study), "curves": curves(study)}
    tables["verdicts"] = pd.DataFrame([_verdict(study, each) for each in expectations], columns=VERDICTS)
    if plan.get("gap"):
        tables["gap"] = gap(study)
    for name, each in tables.items():
        each.to_csv(out / f"{name}.csv", index=False, float_format="%.10g")
    counts = {str(name): int(count) for name, count in tables["verdicts"]["verdict"].value_counts().items()}
    return {"rows": len(rows), "missing": int((rows["status"] == "missing").sum()), "verdicts": counts}


class Study:
    """A plan with its finished cells; each is read once, however many rows share it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.root = Path(plan["results"])
        self.downstream: list[str] = plan["downstream"]
        self.variants = list(dict.fromkeys(str(row["variant"]) for row in plan["rows"]))
        self._evaluations: dict[str, Evaluation] = {}

    @cached_property
    def cells(self) -> dict[str, Finished]:
        """The finished cells that the plan names, by key."""
        found = {}
        for key in {use.key for use in uses(self.plan)}:
            try:
                cell = find(self.root, key)
            except ValueError:  # not there: shown as missing
                continue
            if cell.receipt.get("status") == "finished":
                found[key] = cell
        return found

    @cached_property
    def nmi(self) -> pd.DataFrame:
        """nmi.csv of the domain-gap cell; no rows where there is none."""
        cell = self.cells.get(_key(self.plan.get("gap")))
        if cell is None:
            return pd.DataFrame(columns=["source", "downstream", "repeat", "nmi", "sentences"])
        return pd.read_csv(cell.folder / "nmi.csv")

    def expectations(self) -> list[Expectation]:
        """The lines of `expect`, parsed."""
        sources = sorted(set(self.nmi["source"]))
        lines = []
        for line in self.plan["expect"]:
            named = sources or [word for word in line.split() if word not in "<>"]  # gap cell missing: names unchecked
            lines.append(check_expect(line, self.variants, named, self.downstream, study=self.plan["study"]))
        return lines

    def evaluation(self, row: dict[str, Any], metric: Metric) -> Evaluation | None:
        """The finished evaluation that holds `metric` of this row."""
        key = _key(row["cells"].get(f"{metric.when}/{metric.downstream}"))
        if key not in self.cells:
            return None
        if key not in self._evaluations:
            self._evaluations[key] = read_evaluation(self.cells[key].folder)
        found = self._evaluations[key]
        return found if metric.direction in found.answers else None

    def evaluations(self, variant: str, metric: Metric) -> dict[int, Evaluation]:
        """The same by seed."""
        rows = [row for row in self.plan["rows"] if row["variant"] == variant]
        found = {int(row["seed"]): self.evaluation(row, metric) for row in rows}
        return {seed: each for seed, each in found.items() if each is not None}

    def pairs(self, left: str, right: str, metric: Metric) -> list[tuple[Evaluation, Evaluation]]:
        """Both variants at the seeds that both have; seeds that share both cells are one replicate."""
        a, b = self.evaluations(left, metric), self.evaluations(right, metric)
        both = {(a[seed].key, b[seed].key): (a[seed], b[seed]) for seed in a if seed in b}
        return list(both.values())


def table(study: Study) -> pd.DataFrame:
    """A row a variant and seed: metrics, intervals over queries, keys, what is missing."""
    rows = []
    for row in study.plan["rows"]:
        keys = {role: _key(key) for role, key in row["cells"].items() if key}
        missing = [role for role, key in keys.items() if key not in study.cells]
        prints = {role: study.cells[key].receipt.get("fingerprint") for role, key in keys.items() if key in study.cells}
        tail = {f"cell/{role}": key for role, key in keys.items()}
        tail |= {"status": "missing" if missing else "finished", "missing": " ".join(missing)}
        tail |= {"fingerprints": json.dumps(prints)}
        rows.append(({"variant": row["variant"], "seed": row["seed"]}, _values(study, row), tail))
    columns = [name for part in range(3) for row in rows for name in row[part]]
    return pd.DataFrame([a | b | c for a, b, c in rows], columns=list(dict.fromkeys(columns)))


def _values(study: Study, row: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric in metrics(study.downstream):
        evaluation = study.evaluation(row, metric)
        if evaluation is None:
            continue
        found[metric.name] = evaluation.metrics[_within(metric)]
        if _has_interval(metric):
            interval = _interval([evaluation], metric)
            found |= {f"{metric.name}/low": interval.low, f"{metric.name}/high": interval.high}
        if metric.direction == "t2v":  # once
            found |= _ceiling(metric, evaluation)
    return found


def summary(study: Study) -> pd.DataFrame:
    """A row a variant: the mean over seeds and its interval, of queries and, from two seeds on, of training."""
    rows = []
    for variant in study.variants:
        seeds = {row["seed"] for row in study.plan["rows"] if row["variant"] == variant}
        found: dict[str, Any] = {"variant": variant, "seeds": len(seeds)}
        for metric in metrics(study.downstream):
            distinct = list({each.key: each for each in study.evaluations(variant, metric).values()}.values())
            if not distinct:
                continue
            interval = _interval(distinct, metric)
            found[metric.name] = interval.estimate
            if _has_interval(metric):
                found |= {f"{metric.name}/low": interval.low, f"{metric.name}/high": interval.high}
            if metric.direction == "t2v":
                found |= _ceiling(metric, distinct[0])
        rows.append(found)
    return pd.DataFrame(rows)


def _interval(evaluations: list[Evaluation], metric: Metric) -> Interval:
    """Over the queries of one evaluation, or over queries and seeds of several; percentages stay within 0 and 100."""
    answers = answers_of(evaluations, metric.direction)
    scores, kind = [each.scores(metric.score) for each in answers], statistic(metric.score)
    if not _has_interval(metric):
        return Interval(float(np.mean([getattr(np, kind)(each) for each in scores])), math.nan, math.nan)
    found = statistics.over_seeds(scores, answers[0].cluster, statistic=kind)
    most = math.inf if metric.score in ("MdR", "MnR") else 100.0
    return Interval(found.estimate, max(found.low, 0.0), min(found.high, most))
