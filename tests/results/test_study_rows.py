"""A row's summary against the study's own table, and the views that MLflow's page is told to open."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from results_tree import Tree, data_scale, main, write_tables

from clipvip.results.finished import reach, read_plan, uses
from clipvip.results.tracking import links
from clipvip.results.tracking.run_record import metric_name
from clipvip.results.tracking.study_rows import Row, changed, rows
from clipvip.results.tracking.views import View, views


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = Tree(tmp_path_factory.mktemp("rows"))
    folder = data_scale(tree)
    write_tables(folder)
    return folder


def found(folder: Path) -> list[Row]:
    plan = read_plan(folder)
    return rows(plan, reach(Path(plan["results"]), [use.key for use in uses(plan)]))


def test_a_row_holds_what_the_table_holds(study: Path) -> None:
    table = pd.read_csv(study / "table.csv").set_index(["variant", "seed"])
    there = found(study)
    assert [(row.variant, row.seed) for row in there] == list(table.index)
    names = [name for name in table if name.startswith(("msrvtt/", "didemo/")) and not name.endswith(("/low", "/high"))]
    assert len(names) > 60, "both sets, fine-tuned and zero-shot"
    for row in there:
        expected = table.loc[(row.variant, row.seed), names].astype(float)
        np.testing.assert_allclose([row.metrics[metric_name(name)] for name in names], expected)
        assert row.missing == []
    assert len({row.name for row in there}) == len(there)


def test_parameters_are_what_rows_change(study: Path) -> None:
    there = {(row.variant, row.seed): row.params for row in found(study)}
    assert list(there["small", 1])[:6] == ["variant", "seed", "model", "clips", "objective", "corpus"]
    few = ("variant", "clips", "objective", "corpus", "model.pooling")
    assert [there["none", 0].get(name) for name in few] == ["none", "0", "none", "none", "none"]
    assert [there["small", 1].get(name) for name in few] == ["small", "500", "subtitle", "narrated", "mean"]
    assert there["captions_large", 0]["clips"] == "12000"
    assert not [name for params in there.values() for name in params if name.endswith("_seed")]
    assert len({tuple(params) for params in there.values()}) == 1, "every row has all of them"
    assert changed([{"a": "1", "b": "1", "seed": "0"}, {"a": "2", "b": "1", "seed": "1"}]) == ["a"]


def test_the_curve_of_a_row_is_its_post_pretrainings(study: Path) -> None:
    curves = pd.read_csv(study / "curves.csv")
    for row in found(study):
        own = curves[(curves["variant"] == row.variant) & (curves["seed"] == row.seed)]
        assert list(row.curve) == own["step"].tolist()
        drawn = [values["pretrain/val/t2v/R_at_5"] for values in row.curve.values()]
        np.testing.assert_allclose(drawn, own["val/t2v/R@5"].astype(float))


def test_a_row_that_is_half_done_says_what_is_missing(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    folder = main(tree)
    cells = read_plan(folder)["rows"][1]["cells"]
    (tree.results / "cells/evaluate" / cells["fine_tuned/didemo"] / "receipt.json").unlink()
    row = found(folder)[1]
    assert row.missing == ["fine_tuned/didemo"]
    assert "msrvtt/t2v/R_at_5" in row.metrics
    assert "didemo/t2v/R_at_5" not in row.metrics


def test_views_name_only_what_is_there(study: Path) -> None:
    plan, there = read_plan(study), found(study)
    listed = {view.id: view for view in views(plan, there)}
    assert list(listed) == ["data_scale", "data_scale.each", *(f"data_scale.claim{n}" for n in (1, 2, 3))]
    for view in listed.values():
        check(view, there)
    claim = listed["data_scale.claim1"]
    assert claim.name == "data_scale: small < none on msrvtt/t2v/R@5"
    left_out = ("none_again", "large", "captions_small", "captions_large")
    assert all(f"params.variant != '{name}'" in claim.state["searchFilter"] for name in left_out)
    assert "'small'" not in claim.state["searchFilter"]
    assert listed["data_scale"].state["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "variant"}]
    assert listed["data_scale.each"].state["groupBy"] is None
    (wide,) = (chart for chart in listed["data_scale.each"].state["compareRunCharts"] if chart["type"] == "PARALLEL")
    assert wide["selectedParams"] == ["variant", "model", "clips", "objective"]
    assert views(plan, []) == []


def check(view: View, there: list[Row]) -> None:
    """Every metric and parameter of a view is one of the rows, every chart is in a section that is shown."""
    metrics, params = set(), set(there[0].params)
    for row in there:
        metrics |= {*row.metrics, *(name for values in row.curve.values() for name in values)}
    state = json.loads(json.loads(view.envelope(1))["state"])
    shown = {section["uuid"]: section["name"] for section in state["compareRunSections"] if section["display"]}
    assert set(shown.values()) == {"Comparison", "Along post-pretraining"}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == set(shown)
    assert {c["metricKey"] for c in state["compareRunCharts"] if "metricKey" in c} <= metrics
    assert state["compareRunCharts"][0]["metricKey"] == state["orderByKey"].split("`")[1]
    columns = {tuple(column.strip("`").split(".`")) for column in state["selectedColumns"]}
    assert {name for kind, name in columns if kind == "metrics"} <= metrics
    assert {name for kind, name in columns if kind == "params"} <= params
    assert len(view.envelope(1)) < 20000, "MLflow keeps no longer tag of an experiment"
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == len(state["compareRunCharts"])


HOSTILE = '<img src=x onerror=alert(1)> [x](javascript:alert(1)) ![y](http://evil/z.png) <iframe src="//evil"> `a`\n# b'


def test_a_description_shows_labels_as_text() -> None:
    text = links.description("mini", [(f"main: {HOSTILE}", links.place("1", "main"))])
    (line,) = (line for line in text.splitlines() if "onerror" in line)
    assert line.startswith("- [main: &lt;img")
    assert line.endswith(
        "](#/experiments/1/runs?viewStateShareKey=main&compareRunsMode=CHART&workflowType=machine_learning)"
    )
    assert "<" not in text.replace("load_model(<the tag>)", "")
    assert "](http" not in text
    assert "](javascript" not in text
    assert "\n#" not in text


def test_links_of_a_file_and_of_a_server(tmp_path: Path) -> None:
    pairs: list[Any] = [("main: x", "/#/experiments/3/runs?viewStateShareKey=main")]
    assert links.links(tmp_path) == []
    links.write(tmp_path, "sqlite:////some/mlflow.db", pairs)
    assert links.links(tmp_path) == [("main: x", f"http://127.0.0.1:5000{pairs[0][1]}")]
    assert links.links(tmp_path, "http://127.0.0.1:81") == [("main: x", f"http://127.0.0.1:81{pairs[0][1]}")]
    links.write(tmp_path, "https://server/mlflow/", pairs)
    assert links.links(tmp_path) == [("main: x", f"https://server/mlflow{pairs[0][1]}")]
