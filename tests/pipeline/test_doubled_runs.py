"""Runs that a store has twice, by cell, by row and by study: the doctor names each, and tracking leaves one."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from results_tree import Tree, main, write_tables

from clipvip.pipeline import stores
from clipvip.results.finished import read_plan
from clipvip.results.tracking import mirror


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of rows and cells, tracked."""
    tree = Tree(tmp_path)
    mirror.create(uri(tmp_path), tree.results / "mlartifacts")
    folder = main(tree)
    write_tables(folder)
    mirror.mirror(read_plan(folder), uri(tmp_path), folder)
    return folder


def uri(root: Path) -> str:
    return f"sqlite:///{root}/results/mlflow.db"


def said(root: Path) -> list[str]:
    return [f"{kind}: {what}" for _, kind, what, _, _ in stores.examine(root / "results")]


def test_rows_and_studies_are_no_doubles_of_their_cells_and_their_own_doubles_are_named(
    folder: Path, tmp_path: Path
) -> None:
    assert said(tmp_path) == []
    client = MlflowClient(uri(tmp_path))
    experiment = client.get_experiment_by_name("mini").experiment_id
    runs = {run.data.tags["key"]: run for run in client.search_runs([experiment], max_results=1000)}
    kinds = {run.data.tags["stage"]: key for key, run in runs.items()}
    assert {"study", "row", "evaluate"} <= kinds.keys()
    chosen = [kinds[stage] for stage in ("study", "row", "evaluate")]
    for key in chosen:
        double = client.create_run(experiment, tags=runs[key].data.tags)
        client.set_terminated(double.info.run_id, "FINISHED")
    names = [key.replace(":", " ", 1) if ":" in key else f"cell {key}" for key in chosen]
    assert names[1].startswith("row mini:main:")
    assert sorted(said(tmp_path)) == sorted(f"doubled run: 2 runs of {name}" for name in names)
    mirror.mirror(read_plan(folder), uri(tmp_path), folder)
    assert said(tmp_path) == []
    after = client.search_runs([experiment], max_results=1000)
    assert sorted(run.data.tags["key"] for run in after) == sorted(runs)
    parents = {run.data.tags.get("mlflow.parentRunId") for run in after} - {None}
    assert parents <= {run.info.run_id for run in after}, "no cell hangs below a run that is gone"
