"""Sweeps by real Optuna: trials are cells, judged on val, pruned, retried after a kill, mirrored as runs."""

from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient
from sweep_parts import ROOT, SPACE, experiment, make

from clipvip.config.base import build, merge
from clipvip.config.sweep import SweepSettings
from clipvip.data import manifest
from clipvip.pipeline import optuna_study, optuna_sweep
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, write_spec
from clipvip.pipeline.sweep_space import Sweep, closure, judged
from clipvip.results.tracking import mirror


def watched(read: Any, asked: set[str | None]) -> Any:
    """A reader of manifests that notes which splits it was asked for."""

    def reader(*words: Any, split: str | None = None, **more: Any) -> Any:
        asked.add(split)
        return read(*words, split=split, **more)

    return reader


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, tiny_clip_folder: Path) -> tuple[Sweep, Path, set[str | None]]:
    """A finished sweep, its results root, and the splits that were read from then on."""
    root = tmp_path_factory.mktemp("sweep")
    one, asked = make(experiment(root, tiny_clip_folder)), set[str | None]()
    assert optuna_study.create(one) == 4
    assert optuna_study.create(one) == 4
    with pytest.MonkeyPatch.context() as patch:
        for name in ("read", "scan", "clip_ids"):
            patch.setattr(manifest, name, watched(getattr(manifest, name), asked))
        assert optuna_sweep.Worker(one).work() == 4
    assert optuna_study.create(one) == 0
    return one, root, asked


def test_every_trial_is_a_cell_and_its_score_is_the_cells_last_validation(done: tuple[Sweep, Path, Any]) -> None:
    one, root, _ = done
    rows = optuna_sweep.trials(one)
    assert list(rows["trial"]) == [0, 1, 2, 3]
    assert set(rows["state"]) <= {"complete", "pruned"}
    for row in rows[rows["state"] == "complete"].to_dict("records"):
        cell = one.cell({name: row[name] for name in SPACE})
        assert cell.name == row["cell"]
        assert cell.settings.optim.lr == row["pretrain.optim.lr"]  # type: ignore[attr-defined]
        history = pd.read_csv(folder(root, cell.name) / "history.csv")
        assert row["score"] == history["val/t2v/R@5"].dropna().iloc[-1]
        assert optuna_sweep.curves(one)[row["trial"]] == dict(
            history.loc[history["step"] > -1, ["step", "val/t2v/R@5"]].dropna().itertuples(index=False)
        )
    assert not any(root.glob("failed/*"))


def test_no_test_split_is_read(done: tuple[Sweep, Path, set[str | None]]) -> None:
    one, root, asked = done
    assert {"train", "val"} <= asked
    assert "test" not in asked
    assert not (root / "cells" / "evaluate").exists()
    assert "evaluate" not in {cell.stage for cell in closure(one.cell({}))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": "evaluate"}, "stage"),
        ({"score": "test/t2v/R@5"}, "score"),
        ({"set": "msvd"}, "set 'msvd' is none of"),
        ({"space": {"pretrain.optim.rate": {"low": 0.0, "high": 1.0}}}, "unknown key 'pretrain.optim.rate'"),
        ({"space": {"gap.sentences": {"low": 10, "high": 20}}}, "gap.sentences is no setting of model"),
        ({"space": {"pretrain.optim.lr": {"low": 1.0}}}, "give either"),
        ({"base": {"pretrain": None}, "space": {"model.num_proxies": {"low": 1, "high": 2}}}, "switches the stage"),
    ],
)
def test_a_wrong_sweep_is_refused(tmp_path: Path, tiny_clip_folder: Path, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(experiment(tmp_path, tiny_clip_folder), **change)


def test_what_is_left_behind(done: tuple[Sweep, Path, Any], tmp_path: Path) -> None:
    one, _, _ = done
    found = optuna_sweep.finish(one, tmp_path)
    rows = optuna_sweep.trials(one)
    top = rows.loc[rows["score"].idxmax()]
    assert {name: found[name] for name in SPACE} == {name: top[name] for name in SPACE}
    best = yaml.safe_load((tmp_path / "best.yaml").read_text())
    tuned = Grid(merge(one.grid.given, best)).experiment
    assert tuned.model.num_proxies == top["model.num_proxies"]
    assert tuned.name == "tiny_lr_best"
    said = (tmp_path / "note.md").read_text()
    assert "no test split was read" in said
    assert "Distinct points: 4 of 4 asked for" in said
    assert (tmp_path / "history.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "parallel.svg").read_text()
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mirror.create(uri, tmp_path / "artifacts")
    assert mirror.mirror_sweep("tiny", "lr", tmp_path, uri) == 5
    assert mirror.mirror_sweep("tiny", "lr", tmp_path, uri) == 0  # nothing changed
    client = MlflowClient(uri)
    place = client.get_experiment_by_name("tiny")
    assert place is not None
    runs = {run.info.run_name: run for run in client.search_runs([place.experiment_id])}
    assert set(runs) == {"sweep · lr", *(f"sweep · lr · trial {number}" for number in range(4))}
    child = runs[f"sweep · lr · trial {top['trial']}"]
    assert child.data.tags["mlflow.parentRunId"] == runs["sweep · lr"].info.run_id
    assert child.data.metrics["score"] == top["score"]
    assert float(child.data.params["pretrain.optim.lr"]) == top["pretrain.optim.lr"]


def test_a_trial_like_a_finished_cell_is_not_run_again(tmp_path: Path, tiny_clip_folder: Path) -> None:
    one = make(
        experiment(tmp_path, tiny_clip_folder), trials=2, space={"model.num_proxies": {"choices": [2]}}, pruner="none"
    )
    cell = one.cell({"model.num_proxies": 2})
    for each in closure(cell):
        run_spec(write_spec(tmp_path, each))
    before = (folder(tmp_path, cell.name) / "receipt.json").stat().st_mtime_ns
    assert optuna_study.create(one) == 1  # the space has no more
    assert optuna_sweep.Worker(one).work() == 1
    rows = optuna_sweep.trials(one)
    history = pd.read_csv(folder(tmp_path, cell.name) / "history.csv")
    assert list(rows["score"]) == [judged(history, "pretrain", "val/t2v/R@5")]
    assert (folder(tmp_path, cell.name) / "receipt.json").stat().st_mtime_ns == before


def test_a_pruned_trial_leaves_no_cell(tmp_path: Path, tiny_clip_folder: Path) -> None:
    one = make(experiment(tmp_path, tiny_clip_folder), trials=12, startup=1)
    optuna_study.create(one)
    optuna_sweep.Worker(one).work()
    rows = optuna_sweep.trials(one)
    assert set(rows["state"]) == {"complete", "pruned"}
    for row in rows.to_dict("records"):
        assert folder(tmp_path, row["cell"]).exists() == (row["state"] == "complete")
    assert not any((tmp_path / "work").iterdir())
    assert not any((tmp_path / "cells/pretrain").glob(".*"))


def test_a_sweep_that_is_extended_tries_only_what_is_new(tmp_path: Path, tiny_clip_folder: Path) -> None:
    first, more = (
        make(experiment(tmp_path, tiny_clip_folder, steps=2), trials=count, pruner="none") for count in (2, 4)
    )
    optuna_study.create(first)
    assert optuna_sweep.Worker(first).work() == 2
    assert optuna_sweep.Worker(first).work() == 0
    assert optuna_sweep.Worker(more).work() == 2
    assert optuna_sweep.trials(more)["cell"].nunique() == 4


def test_the_committed_sweeps_fit_their_experiments() -> None:
    assert optuna.__version__
    for file in sorted((ROOT / "experiments/sweeps").glob("*.yaml")):
        settings = build(SweepSettings, yaml.safe_load(file.read_text()), str(file))
        for name in ("mini", "base_32"):
            data = yaml.safe_load((ROOT / f"experiments/{name}.yaml").read_text())
            data["studies"] = str(ROOT / "experiments/studies.yaml")
            assert Sweep(file.stem, settings, Grid(data)).needs()
