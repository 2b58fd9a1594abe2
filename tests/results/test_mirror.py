"""Cells mirrored into a real SQLite store of MLflow, and read back from it alone."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from results_tree import Tree, data_scale, domain_gap, main, write_tables

from clipvip.results.finished import reach, read_plan
from clipvip.results.tracking import mirror
from clipvip.results.tracking.run_record import metric_name


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree whose store is made and holds all three studies; tests may write only what they take back."""
    tree = Tree(tmp_path_factory.mktemp("track"))
    mirror.create(uri(tree), tree.results / "mlartifacts")
    folders = (data_scale(tree), domain_gap(tree), main(tree))
    for folder in folders:
        write_tables(folder)
        mirror.mirror(read_plan(folder), uri(tree), folder)
    return tree


def uri(tree: Tree) -> str:
    return f"sqlite:///{tree.results}/mlflow.db"


def study(tree: Tree, name: str) -> Path:
    return tree.results / "mini" / "studies" / name


@pytest.fixture(scope="module")
def runs(tree: Tree) -> Iterator[pd.DataFrame]:
    """Every run as a row, by MLflow's own search."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri(tree))
    yield mlflow.search_runs(experiment_names=["mini"], output_format="pandas", max_results=5000)
    mlflow.set_tracking_uri(before)


def pivot(tree: Tree, name: str) -> pd.DataFrame:
    """A study's table from the store alone, columns named as in table.csv."""
    mlflow.set_tracking_uri(uri(tree))
    asked = f"tags.`study.{name}` LIKE '%' AND tags.stage = 'evaluate'"
    found = mlflow.search_runs(experiment_names=["mini"], filter_string=asked, max_results=5000)
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for _, run in found.iterrows():
        for row in run[f"tags.rows.{name}"].split(" "):
            variant, seed = row.rsplit(":", 1)
            at = rows.setdefault((variant, int(seed)), {"variant": variant, "seed": int(seed)})
            for column in run.index[run.index.str.startswith("metrics.") & run.notna()]:
                metric = column.removeprefix("metrics.").replace("_at_", "@")
                at[metric] = run[column]
    return pd.DataFrame(rows.values())


@pytest.mark.parametrize("name", ["data_scale", "domain_gap", "main"])
def test_a_table_is_recovered_from_the_store(tree: Tree, name: str) -> None:
    table = pd.read_csv(study(tree, name) / "table.csv").set_index(["variant", "seed"]).sort_index()
    found = pivot(tree, name).set_index(["variant", "seed"]).sort_index()
    assert list(found.index) == list(table.index), "cells shared by variants and seeds give a row to each"
    metrics = [column for column in table.columns if column.startswith(("msrvtt/", "didemo/"))]
    metrics = [column for column in metrics if not column.endswith(("/low", "/high"))]
    assert len(metrics) > 40
    np.testing.assert_allclose(found[metrics], table[metrics])


def test_one_run_a_cell(tree: Tree, runs: pd.DataFrame) -> None:
    keys = {
        key
        for name in ("data_scale", "domain_gap", "main")
        for row in read_plan(study(tree, name))["rows"]
        for key in row["cells"].values()
    }
    keys |= {tree.gap().name, tree.captions().name}
    keys = set(reach(tree.results, keys))  # and all they were made from
    cells = runs[~runs["tags.key"].str.startswith(("study:", "row:"))]
    assert sorted(cells["tags.key"]) == sorted(keys)
    assert set(runs["status"]) == {"FINISHED"}
    shared = cells[cells["tags.key"] == tree.clip().name].iloc[0]
    assert shared["tags.study.data_scale"] == "none,none_again,small,large,captions_small,captions_large"
    assert shared["tags.study.main"] == "clip,clip_vip"
    assert shared["tags.seed"] == "0,1"


def test_names_times_and_params(tree: Tree, runs: pd.DataFrame) -> None:
    assert runs["tags.mlflow.runName"].is_unique
    names = {name.rpartition(" · ")[0] for name in runs["tags.mlflow.runName"]}  # without the cell's key
    assert {f"{kind} · msrvtt" for kind in ("generated files", "corpus", "frame cache")} <= names
    assert any(name.startswith("starting CLIP · images") for name in names)
    assert "post-pretrain · mean · objective subtitle · 500 clips · seed 1" in names
    assert "post-pretrain · proxies 4 · objective d · 12,000 clips · seed 0" in names
    assert "evaluate · didemo · fine-tuned · mean · objective d · 500 clips · seed 1" in names
    assert "evaluate · msrvtt · zero-shot · no post-pretraining · seed 0,1" in names
    begins = "post-pretrain · proxies 4 · objective d · 12,000 clips · seed 0 · "
    trained = runs[runs["tags.mlflow.runName"].str.startswith(begins)].iloc[0]
    assert trained["tags.mlflow.runName"] == begins + trained["tags.key"]
    assert trained["params.model.num_proxies"] == "4"
    assert trained["params.objective"] == "d"
    assert trained["params.optim.lr"] == "0.001"
    assert (trained["end_time"] - trained["start_time"]).total_seconds() == 12.5
    assert trained["start_time"].isoformat() == "2026-01-02T03:04:05+00:00"
    tested = runs[runs["tags.mlflow.runName"].str.startswith("evaluate · msrvtt · fine-tuned · proxies 4")].iloc[0]
    assert tested["params.pretrain.objective"] == "d"
    assert tested["tags.commit"] == "0123456789abcdef"


def test_curves_and_other_metrics(tree: Tree, runs: pd.DataFrame) -> None:
    client = MlflowClient(uri(tree))
    trained = runs[runs["tags.stage"] == "pretrain"].iloc[0]
    history = pd.read_csv(tree.results / "cells" / "pretrain" / trained["tags.key"] / "history.csv")
    for column in ("loss", "val/t2v/R@5"):
        logged = client.get_metric_history(trained["run_id"], metric_name(column))
        kept = history[history[column].notna()]
        assert [metric.step for metric in logged] == kept["step"].tolist()
        np.testing.assert_allclose([metric.value for metric in logged], kept[column])
    gap = runs[runs["tags.stage"] == "gap"].iloc[0]
    assert gap["metrics.nmi/subtitles/msrvtt"] == pytest.approx(0.302)
    assert runs[runs["tags.stage"] == "captions"].iloc[0]["metrics.quality/colour"] == 91.5


def test_artifacts(tree: Tree, runs: pd.DataFrame) -> None:
    client = MlflowClient(uri(tree))
    whole = runs[runs["tags.key"] == "study:mini:main"].iloc[0]
    assert whole["tags.mlflow.runName"] == "study · main"
    assert {file.path for file in client.list_artifacts(whole["run_id"])} >= {"table.csv", "summary.csv"}
    tested = runs[runs["tags.stage"] == "evaluate"].iloc[0]
    assert [file.path for file in client.list_artifacts(tested["run_id"])] == ["metrics.json"]
    assert str(tree.results / "mlartifacts" / "mini") in tested["artifact_uri"]


def test_rows_hang_below_their_study_and_cells_below_their_first_row(tree: Tree, runs: pd.DataFrame) -> None:
    names, stages = runs.set_index("run_id")["tags.mlflow.runName"], runs.set_index("run_id")["tags.stage"]
    above = runs.set_index("tags.key")["tags.mlflow.parentRunId"]
    whole = runs[runs["tags.stage"] == "row"]
    assert len(whole) == sum(len(read_plan(study(tree, name))["rows"]) for name in ("data_scale", "domain_gap", "main"))
    assert {(names[row["tags.mlflow.parentRunId"]], row["tags.study"]) for _, row in whole.iterrows()} == {
        (f"study · {name}", name) for name in ("data_scale", "domain_gap", "main")
    }
    cells = read_plan(study(tree, "main"))["rows"]
    assert names[above[cells[1]["cells"]["pretrain"]]] == "clip_vip · seed 0 · main", "of no other study"
    assert names[above[cells[0]["cells"]["clip"]]] == "none · seed 0 · data_scale", "shared: the first study by name"
    assert names[above[tree.captions().name]] == "study · data_scale", "all rest on it"
    assert set(stages[above.dropna()]) == {"study", "row"}


def test_runs_name_the_corpora_they_read(tree: Tree, runs: pd.DataFrame) -> None:
    client = MlflowClient(uri(tree))
    for stage, expected in (("pretrain", ("narrated", "training")), ("evaluate", ("msrvtt", "test"))):
        row = runs[(runs["tags.stage"] == stage) & (runs["tags.set"].isna() | (runs["tags.set"] == "msrvtt"))].iloc[0]
        (entry,) = client.get_run(row["run_id"]).inputs.dataset_inputs
        assert (entry.dataset.name, entry.tags[0].value) == expected
        assert entry.dataset.digest in {path.name for path in (tree.results / "cells/corpus").iterdir()}


def test_what_a_job_took_is_a_curve(tree: Tree) -> None:
    folder = tree.pretrain({"pooling": "full"}, "subtitle", 700, 0)
    (folder / "system.csv").write_text("second,cpu_percent,memory_mb,gpu_memory_mb\n1.0,150,800,\n2.5,90,900,\n")
    rows = [{"variant": "a", "seed": 0, "cells": {"pretrain": folder.name}}]
    plan = {**read_plan(study(tree, "main")), "experiment": "system", "study": "system", "rows": rows}
    mirror.mirror(plan, uri(tree), study(tree, "main"))
    client = MlflowClient(uri(tree))
    (run,) = client.search_runs([client.get_experiment_by_name("system").experiment_id], "tags.stage = 'pretrain'")
    found = client.get_metric_history(run.info.run_id, "system/memory_mb")
    assert [(each.value, each.timestamp - run.info.start_time) for each in found] == [(800.0, 1000), (900.0, 2500)]
    assert "system/gpu_memory_mb" not in run.data.metrics


def test_mirroring_again_makes_nothing(tree: Tree) -> None:
    plan, client = read_plan(study(tree, "main")), MlflowClient(uri(tree))
    experiment = client.get_experiment_by_name("mini").experiment_id
    before = {run.info.run_id for run in client.search_runs([experiment], max_results=5000)}
    found = mirror.mirror(plan, uri(tree), study(tree, "main"))
    assert (found["made"], found["unfinished"], found["models"]) == (0, 0, 0)
    assert {run.info.run_id for run in client.search_runs([experiment], max_results=5000)} == before


def test_a_remade_cell_replaces_its_run_and_a_dropped_variant_its_tag(tree: Tree) -> None:
    plan, client = read_plan(study(tree, "main")), MlflowClient(uri(tree))
    experiment = client.get_experiment_by_name("mini").experiment_id

    def run_of(key: str) -> Any:
        (found,) = client.search_runs([experiment], f"tags.key = '{key}'")
        return found

    key = plan["rows"][1]["cells"]["fine_tuned/msrvtt"]
    old, path = run_of(key), tree.results / "cells" / "evaluate" / key / "receipt.json"
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept) | {"started": "2026-02-02T03:04:05+00:00"}))
    assert mirror.mirror(plan, uri(tree), study(tree, "main"))["made"] == 1
    assert run_of(key).info.run_id != old.info.run_id
    assert mirror.mirror({**plan, "rows": plan["rows"][:1], "expect": []}, uri(tree), study(tree, "main"))["made"] == 0
    assert "study.main" not in run_of(key).data.tags
    path.write_text(kept)
    mirror.mirror(plan, uri(tree), study(tree, "main"))
    assert run_of(key).data.tags["study.main"] == "clip_vip"


def test_unfinished_cells_are_counted(tree: Tree) -> None:
    plan = read_plan(study(tree, "main"))
    row = {"variant": "later", "seed": 0, "cells": {"clip": tree.clip().name, "pretrain": "0" * 12}}
    found = mirror.mirror({**plan, "study": "later", "rows": [row]}, uri(tree), study(tree, "main"))
    assert (found["made"], found["unfinished"]) == (0, 1)


def test_a_store_must_be_created_first(tree: Tree, tmp_path: Path) -> None:
    shutil.copy(tree.results / "mlflow.db", tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.execute("DELETE FROM experiment_tags WHERE key = 'artifacts'")
    plan = {**read_plan(study(tree, "main")), "experiment": "other"}
    with pytest.raises(ValueError, match="not made by `create`"):
        mirror.mirror(plan, f"sqlite:///{tmp_path}/mlflow.db", study(tree, "main"))
