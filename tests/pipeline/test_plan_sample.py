"""A plan from small samples: which twins a grid has, how their times become those of its cells, whether it is so."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.config.base import read_yaml
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.forecast.light import _on_line
from clipvip.pipeline.forecast.miniature import STEPS, Miniature
from clipvip.pipeline.forecast.sample import Sample, steps, units
from clipvip.pipeline.forecast.timing import Spent, Taken, now
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import write_spec

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def mini() -> Grid:
    return Grid(read_yaml("experiments/mini.yaml"))


def first(grid: Grid, stage: str, **has: Any) -> Cell:
    """The first cell of a stage whose settings have these values."""
    cells = (cell for cell in grid.cells.values() if cell.stage == stage)
    return next(cell for cell in cells if all(getattr(cell.settings, key) == each for key, each in has.items()))


def test_replicates_and_checkpoints_of_one_shape_share_a_twin() -> None:
    grid = mini()
    twins = Miniature(grid.cells)
    found = {twins.of(cell).name for cell in grid.cells.values()}
    assert len(grid.cells) > 400
    assert len(found) < 140
    pretrained = [cell for cell in grid.cells.values() if cell.stage == "pretrain"]
    one, other = (next(cell for cell in pretrained if cell.settings.seed == seed) for seed in (0, 1))  # type: ignore[attr-defined]
    assert one.name != other.name
    assert twins.of(one).name == twins.of(other).name


def test_a_twin_keeps_shapes_and_has_few_clips_and_steps() -> None:
    grid = mini()
    twins, cell = Miniature(grid.cells), first(grid, "pretrain")
    small = twins.of(cell)
    own, other = cell.settings.model_dump(), small.settings.model_dump()
    assert {key for key in own if own[key] != other[key]} <= {"optim", "validate_every", "clips", "subset_seed", "seed"}
    assert other["optim"] == {**own["optim"], "steps": STEPS}
    assert units(small.inputs["corpus"]) == STEPS * 64  # as many clips as its steps draw
    assert units(cell.inputs["corpus"]) == 8000
    assert units(first(grid, "evaluate")) == 4 * 1000 + 100  # four galleries, and a hundred clips trained on
    assert steps(cell) == 160


def test_times_of_a_twin_become_those_of_its_cells() -> None:
    """A training: 2 s, 160 steps of 0.5 s, 3 looks (0, 80, 160) at 200 clips, where the twin's 60 took 3 s."""
    grid = mini()
    sample, cell = Sample(grid.cells.values(), Path("nowhere"), "cpu"), first(grid, "pretrain")
    sample._taken[sample.twins.of(cell).name] = Taken(
        Spent(99.0, 99.0), Spent(0.5, 0.4), Spent(3.0, 2.0), Spent(2.0, 1.0)
    )
    found = sample.of(cell)
    assert found.seconds == pytest.approx(2 + 160 * 0.5 + 3 * 3 * 200 / 60)
    assert found.core_seconds == pytest.approx(1 + 160 * 0.4 + 3 * 2 * 200 / 60)
    captions = first(grid, "captions")
    twin = sample.twins.of(captions)
    sample._taken[twin.name] = Taken(Spent(8.68, 8.68))
    sample._fixed["captions"] = Spent(1.0, 1.0)
    whole, shard, merged = (sample.of(captions, parts).seconds for parts in (1, 2, 0))
    assert whole == pytest.approx(1 + 7.68 * 8000 / (STEPS * 64))
    assert (shard, merged) == pytest.approx((1 + 40.0, 1.0))


def test_a_line_goes_through_two_points_and_never_falls() -> None:
    points = [(10.0, Spent(3.0, 2.0)), (20.0, Spent(5.0, 2.0))]
    assert _on_line(points, 40.0) == Spent(9.0, 2.0)
    assert _on_line(points, 5.0) == Spent(3.0, 2.0)
    assert _on_line(points[:1], 40.0) == Spent(3.0, 2.0)


@pytest.mark.slow
def test_a_sample_predicts_what_its_cells_then_take(tmp_path: Path) -> None:
    """A small grid within a fifth, in processor time, of its cells made one after another; two minutes alone."""
    study = {"title": "?", "claim": ".", "baseline": "clip", "downstream": ["msrvtt"]}
    study["variants"] = {
        "clip": {"model": {"pooling": "mean"}, "pretrain": None},
        "vip": {"pretrain": {"objective": "d"}},
    }  # type: ignore[assignment]
    (tmp_path / "studies.yaml").write_text(yaml.safe_dump({"studies": {"one": study}}))
    data = read_yaml("experiments/mini.yaml") | {"studies": str(tmp_path / "studies.yaml"), "seeds": [0]}
    data["clip"]["optim"]["steps"] = data["captioner"]["optim"]["steps"] = 150
    data["corpora"]["narrated"]["world"]["clips"]["train"] = 2000
    grid = Grid(data | {"roles": {"large": {"corpus": "narrated"}}})
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sample = Sample(grid.cells.values(), tmp_path / "sample", "cpu")
    sample.make(print)
    foretold = sum(sample.of(cell).core_seconds for cell in grid.cells.values())
    began = now()
    for cell in grid.cells.values():
        run_spec(write_spec(tmp_path / "whole", cell))
    taken = now().less(began).processor
    print(f"foretold {foretold:.1f} s, taken {taken:.1f} s; the sample took {sample.spent.processor:.1f} s")
    assert foretold == pytest.approx(taken, rel=0.2)
    assert sample.spent.processor < taken
