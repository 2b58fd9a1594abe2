"""Views of MLflow's own page: filter, columns, order, grouping and charts of a study, chosen before anyone looks.

MLflow 3 keeps a saved view as a tag of the experiment, `mlflow.sharedViewState.<id>`, and opens it for the query
parameter `viewStateShareKey=<id>`; its page writes such tags itself ("Share", "Saved views"). Read from the page that
MLflow 3.17 brings (mlflow/server/js): whatever it does not know there is ignored.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipvip.config.claims import check_expect
from clipvip.results.tracking.links import CLAIM, EACH
from clipvip.results.tracking.run_record import metric_name
from clipvip.results.tracking.study_rows import Row

TAG = "mlflow.sharedViewState."  # of the experiment; the id of the view after it
ROW = "row"  # value of the tag `stage` of a row's summary
SHOWN = ("t2v/R@5", "t2v/R@1", "t2v/R@10", "t2v/log2R", "order")  # of each set, as far as rows have them
HEADLINE = 6  # charts of a study's first section, besides parallel coordinates and curves
MOST_AXES = 4, 3  # params and metrics of parallel coordinates: with more they cannot be read
PLAIN = "Model metrics"  # the page's own name for metrics without a `/`


@dataclass(frozen=True)
class View:
    """One saved view."""

    id: str
    name: str
    state: dict[str, Any]

    def envelope(self, now: int) -> str:
        """The tag's value; `now` in milliseconds."""
        return json.dumps({"name": self.name, "createdAt": now, "updatedAt": now, "state": json.dumps(self.state)})


def views(plan: dict[str, Any], rows: list[Row]) -> list[View]:
    """A view of the study by variants, one of each run where there are replicates, and one for each of its claims that
    variants answer; none where no row is there."""
    if not rows:
        return []
    study, metrics = str(plan["study"]), _metrics(plan, rows)
    variants = list(dict.fromkeys(row.variant for row in rows))
    found = [View(study, f"{study}: {plan['title']}", _state(study, rows, metrics))]
    if len(rows) > len(variants):
        name = f"{study}: every replicate by itself"
        found.append(View(f"{study}{EACH}", name, _state(study, rows, metrics, grouped=False)))
    named = list(dict.fromkeys(str(row["variant"]) for row in plan["rows"]))
    for number, line in enumerate(plan["expect"], 1):
        metric = metric_name(_metric_of(line))
        if metric not in metrics:  # of language sources, or not there yet
            continue
        claim = check_expect(line, named, [], plan["downstream"], study=study)
        sides = [name for name, _ in claim.weights if name in variants]
        if len(sides) > 1:
            own, others = [row for row in rows if row.variant in sides], [v for v in variants if v not in sides]
            state = _state(study, own, list(dict.fromkeys([metric, *metrics])), left_out=others)
            found.append(View(f"{study}{CLAIM}{number}", f"{study}: {line}", state))
    return found


def _metric_of(line: str) -> str:
    """The metric that a claim names."""
    return line.split(" on ")[-1].split(" margin ")[0].strip()


def _metrics(plan: dict[str, Any], rows: list[Row]) -> list[str]:
    """What the claims name, then recall, rank and order of every set; only what some row has."""
    there = {name for row in rows for name in row.metrics}
    named = [_metric_of(line) for line in plan["expect"]]
    named += [f"{downstream}/{end}" for end in SHOWN for downstream in plan["downstream"]]
    return [name for name in dict.fromkeys(map(metric_name, named)) if name in there]


def _state(
    study: str, rows: list[Row], metrics: list[str], *, left_out: Sequence[str] = (), grouped: bool = True
) -> dict[str, Any]:
    """Grouped by variant where there are replicates: the page then averages metrics and numbers, and drops words."""
    grouped = grouped and len({row.variant for row in rows}) < len(rows)
    params = [name for name in rows[0].params if name not in ("variant", "seed")]
    params = [name for name in params if len({row.params[name] for row in rows}) > 1]
    asked = [f"tags.stage = '{ROW}'", f"tags.study = '{study}'"]
    asked += [f"params.variant != '{variant}'" for variant in left_out]
    by = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "variant"}]}
    kinds = {name: {_is_number(row.params[name]) for row in rows} for name in params}
    axes = [name for name in params if kinds[name] == {True}]  # an axis of numbers leaves out what is none
    axes = axes if grouped else ["variant", *(name for name in params if len(kinds[name]) == 1)][: MOST_AXES[0]]
    charts, sections = _charts(rows, metrics, params, axes)
    return {
        "searchFilter": " AND ".join(asked),
        "orderByKey": f"metrics.`{metrics[0]}`" if metrics else "attributes.start_time",
        "orderByAsc": metrics[0].endswith(("MdR", "MnR", "log2R")) if metrics else False,
        "selectedColumns": [f"params.`{name}`" for name in ("variant", "seed", *params[:4])]
        + [f"metrics.`{name}`" for name in metrics[:HEADLINE]],
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": by if grouped else None,
        "groupsExpanded": {f"param.variant.{row.variant}": False for row in rows},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "isAccordionReordered": True,  # our section stays the first
        "compareRunCharts": charts,
        "compareRunSections": sections,
    }


def _charts(rows: list[Row], metrics: list[str], params: list[str], axes: list[str]) -> tuple[list[Any], list[Any]]:
    """The charts that open (`axes`: params of the parallel coordinates), and a folded section for each group of
    metrics: the page adds a chart to it for every other metric."""
    first = [_bar(name) for name in metrics[:HEADLINE]]
    first += [_scatter(name, axis) for axis in params if _numeric(rows, axis) for name in metrics[:2]]
    if len(metrics) > 1:
        first.insert(2, _parallel(axes, metrics[: MOST_AXES[1]]))
    curves = dict.fromkeys(name for row in rows for values in row.curve.values() for name in values)
    along = [_line(name) for name in curves if name.endswith(("t2v/R_at_1", "t2v/R_at_5", "t2v/R_at_10"))]
    open_ones = {"comparison": ("Comparison", first), "along": ("Along post-pretraining", along)}
    charts = [chart | {"metricSectionId": at} for at, (_, own) in open_ones.items() for chart in own]
    sections = [_section(at, name, shown=True) for at, (name, own) in open_ones.items() if own]
    named = {name for row in rows for name in row.metrics} | set(curves)
    groups = sorted({name.rpartition("/")[0] for name in named})
    return charts, sections + [_section(f"of-{name}", name or PLAIN, shown=False) for name in groups]


def _section(at: str, name: str, *, shown: bool) -> dict[str, Any]:
    return {"uuid": at, "name": name, "display": shown, "isReordered": False, "deleted": False, "isGenerated": True}


def _chart(kind: str, name: str, title: str) -> dict[str, Any]:
    own = {"type": kind, "uuid": f"{kind.lower()}-{name}", "displayName": title}
    return own | {"deleted": False, "isGenerated": False}


def _bar(metric: str) -> dict[str, Any]:
    return _chart("BAR", metric, metric) | {"metricKey": metric, "runsCountToCompare": 100}


def _line(metric: str) -> dict[str, Any]:
    steps = {"xAxisKey": "step", "scaleType": "linear", "xAxisScaleType": "linear", "lineSmoothness": 0}
    return _chart("LINE", metric, metric) | {
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        **steps,
    }


def _scatter(metric: str, param: str) -> dict[str, Any]:
    axes = {"xaxis": {"key": param, "type": "PARAM"}, "yaxis": {"key": metric, "type": "METRIC"}}
    return _chart("SCATTER", f"{metric}-{param}", f"{metric} by {param}") | axes | {"runsCountToCompare": 100}


def _parallel(params: list[str], metrics: list[str]) -> dict[str, Any]:
    chosen = {"selectedParams": params, "selectedMetrics": metrics, "showAllRuns": False}
    return _chart("PARALLEL", "all", "What rows change, and what comes of it") | chosen


def _numeric(rows: list[Row], name: str) -> bool:
    return all(_is_number(row.params[name]) for row in rows)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) is not None
