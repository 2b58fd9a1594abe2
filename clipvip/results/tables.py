"""The tables of a study: receipts and ranks of its cells -> values, intervals, tests and verdicts (pandas only).

table.csv has a row a variant and replicate, summary.csv a row a variant, tests.csv every variant against the baseline,
verdicts.csv the paper's claims, detectable.csv what more replicates would show, curves.csv the validation scores along
post-pretraining, gap.csv and language.csv the language domain gap (sections 3.1 to 4), trends.csv slopes along a scale,
published.csv what papers give, at their scale only. A cell that is not finished leaves blanks and a row of status
"missing", or "failed" with the reason.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.claims import ALONE, Metric
from clipvip.results import comparisons, notes, published, registered, study_files
from clipvip.results.evaluations import Evaluation
from clipvip.results.experiment import Experiment
from clipvip.results.gap_table import gap
from clipvip.results.intervals import Interval
from clipvip.results.lines import Line, decided
from clipvip.results.study_results import Study
from clipvip.results.trends import trends
from clipvip.results.variance import FIXED, Term, estimate, span_of
from clipvip.runtime import cell_files
from clipvip.runtime.files import written

VAL = ["val/t2v/R@1", "val/t2v/R@5", "val/t2v/R@10"]


def make(plan: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the tables of a study into `out` and return counts (rows, missing, verdicts). The noise of training and
    the correction for many lines are those of the whole experiment: of the studies beside `out`, as far as their cells
    are finished. ValueError: a bad line or cell."""
    experiment = Experiment.around(out, plan)
    return _write(experiment, str(plan["study"]), out, decided(experiment))


def make_all(folders: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The same for several study folders of one experiment, whose cells are read once, and its noise.csv."""
    experiment = Experiment.around(folders[0])
    lines, found = decided(experiment), {}
    for folder in folders:
        found[folder.name] = _write(experiment, folder.name, folder, lines)
    experiment.write_noise(folders[0].resolve().parents[1] / study_files.NOISE)
    return found


def _write(experiment: Experiment, name: str, out: Path, lines: Sequence[Line]) -> dict[str, Any]:
    study = experiment.studies[name]
    plan, stated = study.plan, registered.stated(study.plan, out)
    tables = {study_files.TABLE: table(study), study_files.SUMMARY: summary(experiment, study)}
    tables |= {study_files.TESTS: comparisons.tests(experiment, study), study_files.CURVES: curves(study)}
    tables[study_files.VERDICTS] = comparisons.verdicts(experiment, study, lines, stated)
    tables[study_files.DETECTABLE] = comparisons.detectable(study, lines)
    if plan.get("gap"):
        tables |= {study_files.GAP: gap(study), study_files.LANGUAGE: study.language}
    if plan.get("trend"):
        tables[study_files.TRENDS] = trends(experiment, study)
    if plan.get("published"):
        given = _published(plan)
        tables[study_files.PUBLISHED] = published.distances(given, tables[study_files.SUMMARY])
    for file, rows in tables.items():
        with written(out / file) as beside:
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
        no_data = row.get("not_run", "")
        status = comparisons.NO_DATA if no_data else "failed" if failed else "missing" if missing else "finished"
        state = {"status": status, "missing": " ".join(missing)}
        state["reason"] = no_data or "; ".join(dict.fromkeys(failed.values()))
        state["fingerprints"] = json.dumps(prints)
        rows.append([{"variant": row["variant"], "seed": row["seed"]}, _values(study, row), cells, state])
    columns = dict.fromkeys(name for part in zip(*rows, strict=True) for each in part for name in each)
    return pd.DataFrame([{k: v for part in row for k, v in part.items()} for row in rows], columns=list(columns))


def _values(study: Study, row: dict[str, Any]) -> dict[str, float]:
    """The metrics of one row; intervals, over queries only, for the recalls that no other query helped, for log2R and
    for order."""
    found: dict[str, float] = {}
    for metric in study.all_metrics:
        evaluation = study.evaluation(row, metric)
        if evaluation is None:
            continue
        interval = metric.direction in ALONE and metric.score not in ("MdR", "MnR")
        name = metric.name.removeprefix(f"{metric.downstream}/").removeprefix("zero_shot/")
        found |= _spread(metric, _one_run(evaluation, metric)) if interval else {}
        if name in evaluation.metrics:
            found[metric.name] = evaluation.metrics[name]
    for downstream in study.downstream:
        found |= _ceilings(study, row, downstream)
    return found


def _one_run(evaluation: Evaluation, metric: Metric) -> Interval:
    answers = evaluation.answers[metric.direction]
    span = span_of(metric.score, len(answers.rank))
    term = Term(1.0, {evaluation.key: answers.scores(metric.score)}, FIXED)
    return estimate([term], answers.cluster, span=span).interval()


def _ceilings(study: Study, row: dict[str, Any], downstream: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for when, middle in (("fine_tuned", ""), ("zero_shot", "zero_shot/")):
        key = row["cells"].get(f"{when}/{downstream}")
        values = study.read(key).metrics if key in study.cells else {}
        ceilings = {name: value for name, value in values.items() if name.startswith("ceiling/")}
        found |= {f"{downstream}/{middle}{name}": value for name, value in ceilings.items()}
    return found


def summary(experiment: Experiment, study: Study) -> pd.DataFrame:
    """A row a variant: the mean over replicates and its interval, of training too where its noise is known."""
    rows, note = [], notes.coverage(experiment, study)
    for variant in study.variants:
        own = [row for row in study.plan["rows"] if row["variant"] == variant]
        found: dict[str, Any] = {"variant": variant, "replicates": len(own)}
        for metric in study.all_metrics:
            compared = experiment.compare(study, {variant: 1.0}, metric)
            if compared is not None:
                found |= _spread(metric, compared.estimate.interval())
        ceilings = [_ceilings(study, row, downstream) for downstream in study.downstream for row in own]
        rows.append(found | {name: value for each in ceilings for name, value in each.items()} | {"note": note})
    return pd.DataFrame(rows)


def _spread(metric: Metric, interval: Interval) -> dict[str, float]:
    """A percentage stays within 0 and 100, a rank above 1."""
    ranks = {"MdR": 1.0, "MnR": 1.0, "log2R": 0.0}
    least, most = (ranks[metric.score], math.inf) if metric.score in ranks else (0.0, 100.0)
    name, low, high = metric.name, max(interval.low, least), min(interval.high, most)
    return {name: interval.estimate, f"{name}/low": low, f"{name}/high": high}


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
