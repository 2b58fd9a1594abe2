"""Open claims decided look by look, on finished cells as the workflow leaves them, with known ranks and seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from clipvip.__main__ import main
from clipvip.config.base import canonical
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.decide import Decider, together
from clipvip.pipeline.grid import Grid, load
from clipvip.pipeline.store import folder, receipt

ROOT = Path(__file__).parents[2]
QUERIES = 200
SECONDS = {"pretrain": 60.0, "finetune": 20.0, "evaluate": 5.0}
VARIANTS = {
    "clip": {"model": {"pooling": "mean"}, "pretrain": None},
    "vip": {"pretrain": {"objective": "subtitle"}},
    "vip_again": {"model": {"num_proxies": 2}, "pretrain": {"objective": "subtitle"}},
}


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def experiment(tmp_path: Path, **change: Any) -> Path:
    """An experiment file of one study on one set, with two replicates."""
    study = {"title": "?", "claim": ".", "baseline": "clip", "downstream": ["msrvtt"], "variants": VARIANTS}
    study["expect"] = ["vip > clip on msrvtt/t2v/R@5", "vip > vip_again on msrvtt/t2v/R@5"]
    (tmp_path / "studies.yaml").write_text(yaml.safe_dump({"studies": {"main": study}}))
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    data |= {"name": "tiny", "results": str(tmp_path / "results"), "studies": str(tmp_path / "studies.yaml")}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(data | {"seeds": [0, 1]} | change))
    return path


def finish(grid: Grid, effect: float) -> set[str]:
    """Write what is not there of the grid; `vip` answers this share of queries more than `clip`."""
    root, made = Path(grid.experiment.results), set()
    rows = [(row.variant, cell) for row in grid.studies["main"].rows for cell in row.cells.values()]
    better = {cell.name: effect for variant, cell in rows if variant == "vip" and cell.stage == "evaluate"}
    for cell in grid.cells.values():
        if receipt(root, cell.name) is None:
            made.add(cell.name)
            write(root, cell, 0.5 + better.get(cell.name, 0.0))
    return made


def write(root: Path, cell: Cell, share: float) -> None:
    place = folder(root, cell.name)
    place.mkdir(parents=True)
    inputs = {role: other.name for role, other in cell.inputs.items()}
    own = {
        "stage": cell.stage,
        "key": cell.key,
        "status": "finished",
        "fingerprint": cell.fingerprint,
        "inputs": inputs,
    }
    (place / "receipt.json").write_text(
        json.dumps({**own, "lineage": cell.lineage, "seconds": SECONDS.get(cell.stage, 1.0)})
    )
    (place / "config.json").write_text(canonical(cell.spec()))
    if cell.stage != "evaluate":
        return
    hard = np.random.default_rng(0).random(QUERIES)
    own_luck = np.random.default_rng(int(cell.key, 16)).standard_normal(QUERIES)
    rank = np.where(hard + 0.15 * own_luck < share, 1.0, 20.0)
    names = {
        "query": [f"q{i:03d}" for i in range(QUERIES)],
        "clip_id": "c",
        "cluster": [f"s{i:03d}" for i in range(QUERIES)],
    }
    ranks = pd.DataFrame({**names, "direction": "t2v", "rank": rank, "best": rank, "worst": rank})
    ranks.to_parquet(place / "ranks.parquet")
    metrics = {f"t2v/R@{k}": float(100 * (rank <= k).mean()) for k in (1, 5, 10)}
    (place / "metrics.json").write_text(json.dumps(metrics | {"t2v/log2R": float(np.log2(rank).mean())}))


def test_a_step_doubles_the_replicates_of_the_rows_concerned(tmp_path: Path) -> None:
    path = experiment(tmp_path)
    finish(load([path]), 0.04)
    decider = Decider([path], ["main"], 3, 1)
    moves = {move.line.expectation.line: move for move in decider.moves()}
    assert moves
    for move in moves.values():
        rows = {name: [2, 3] for name, _ in move.line.expectation.weights}
        if move.step.queries == 1:
            assert move.change == {"more_seeds": {"main": rows}}
    both = moves["vip > vip_again on msrvtt/t2v/R@5"]
    if both.step.queries == 1:  # of either row two trainings, fine-tunings, two evaluations each; one core
        assert both.seconds == pytest.approx(2 * 2 * (60 + 20 + 2 * 5))


def test_looks_are_taken_within_the_budget_and_no_more_than_were_fixed(tmp_path: Path) -> None:
    path, ran = experiment(tmp_path), []
    finish(load([path]), 0.04)

    def run(files: list[Path], targets: list[str]) -> None:
        ran.append((finish(load(files), 0.04), targets))

    assert Decider([path], ["main"], 2, 1).chosen(0.5) == []  # half a minute holds no training
    decider = Decider([path], ["main"], 2, 1)
    moves = decider.chosen(60.0)
    assert moves
    decider.begin(moves)
    again = Decider([path], ["main"], 2, 1)  # killed here: the look counts, and goes on
    assert again.begun
    again.finish(run)
    assert ran[0][1] == ["ablate_main"]
    assert any(name.startswith("evaluate/") for name in ran[0][0])
    last = Decider([path], ["main"], 2, 1)
    assert (last.used, last.begun, last.chosen(60.0)) == (2, False, [])
    assert load([path, last.overlay_path]).experiment.name == "tiny_decided"
    assert len(json.loads((tmp_path / "results/tiny_decided/looks.json").read_text())) == 1
    with pytest.raises(ValueError, match="2 looks were fixed"):
        Decider([path], ["main"], 5, 1)


def test_a_clear_difference_is_not_open(tmp_path: Path) -> None:
    path = experiment(tmp_path)
    finish(load([path]), 0.4)
    decider = Decider([path], ["main"], 3, 1)
    assert [line.primary.outcome for line in decider.lines()] == ["yes", "yes"]
    assert decider.moves() == []


def test_changes_lie_over_each_other() -> None:
    one = {"more_seeds": {"s": {"a": [2], "b": [2, 3]}}, "looks": 3}
    other = {"more_seeds": {"s": {"a": [2, 3], "c": [2]}}, "corpora": {"x": {"world": {"galleries": 4}}}}
    assert together(one, other) == {
        "more_seeds": {"s": {"a": [2, 3], "b": [2, 3], "c": [2]}},
        "looks": 3,
        "corpora": {"x": {"world": {"galleries": 4}}},
    }


def test_an_unknown_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no study 'mein'"):
        Decider([experiment(tmp_path)], ["mein"], 3, 1)


def test_the_command_shows_the_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = experiment(tmp_path)
    finish(load([path]), 0.04)
    words = ["decide", str(tmp_path / "results/tiny/studies/main"), "--experiment", str(path), "--cores", "1"]
    assert main([*words, "--budget", "60"]) == 0
    said = capsys.readouterr().out
    assert "look 1 of 3, each at 1.7% over all lines of the experiment" in said
    assert "to be decided, 6.0 min: main: vip > vip_again" in said
    assert main([*words, "--budget", "0.5"]) == 0
    assert "none fits into 0 minutes" in capsys.readouterr().out
    assert not (tmp_path / "results/tiny_decided").exists()
