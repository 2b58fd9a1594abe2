"""experiments/as_published_32.yaml: every departure of the authors' code, setting by setting, and none by default."""

from pathlib import Path
from typing import Any

import pytest

from clipvip.config.base import read_yaml
from clipvip.config.data import FramesSettings
from clipvip.config.learning import OptimSettings
from clipvip.pipeline.grid import Grid, load

ROOT = Path(__file__).parents[2]
# what their code does -> where it is set, ours, theirs
OPTIM: dict[str, tuple[Any, Any]] = {
    "eps": (1e-8, 1e-6),
    "eps_uncorrected": (False, True),
    "decay_all": (False, True),
    "keep_partial": (False, True),
    "published_schedule": (False, True),
    "clamp_first": (False, True),
    "precision": ("bf16", "fp16"),
}
SAME = {"betas": (0.9, 0.98), "warmup": 0.01}
POST = {"lr": 5e-6, "weight_decay": 0.05, "grad_norm": 5.0, "batch_size": 1024}
TUNE = {"lr": 1e-6, "weight_decay": 0.2, "grad_norm": 1.0, "batch_size": 128}


@pytest.fixture(scope="module")
def grids() -> tuple[Grid, Grid]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        base = load(["experiments/base_32.yaml"])
        return base, load(["experiments/base_32.yaml", "experiments/as_published_32.yaml"])


def cells(grid: Grid, name: str = "msrvtt") -> tuple[Any, Any]:
    row = next(row for row in grid.studies["main"].rows if row.variant == "clip_vip")
    return row.cells["pretrain"].settings, row.cells[f"finetune/{name}"].settings


@pytest.mark.parametrize("name", OPTIM)
def test_the_optimiser(grids: tuple[Grid, Grid], name: str) -> None:
    ours, theirs = OPTIM[name]
    for grid, expected in zip(grids, (ours, theirs), strict=True):
        for settings in cells(grid):
            assert getattr(settings.optim, name) == expected


def test_what_both_have_in_common(grids: tuple[Grid, Grid]) -> None:
    for grid in grids:
        for settings, own in zip(cells(grid), (POST, TUNE), strict=True):
            assert {name: getattr(settings.optim, name) for name in own} == own
            assert {name: getattr(settings.optim, name) for name in SAME} == SAME
        pretrain, _ = cells(grid)
        assert (pretrain.max_tokens, pretrain.model.num_frames, pretrain.model.num_proxies) == (70, 12, 4)


@pytest.mark.parametrize(
    ("name", "epochs", "frames", "tokens"),
    [("msrvtt", 100, 12, 50), ("didemo", 20, 12, 50), ("lsmdc", 10, 12, 50), ("activitynet", 20, 32, 70)],
)
def test_each_set(grids: tuple[Grid, Grid], name: str, epochs: float, frames: int, tokens: int) -> None:
    for grid in grids:
        settings = cells(grid, name)[1]
        assert (settings.optim.epochs, settings.num_frames, settings.max_tokens) == (epochs, frames, tokens)


def test_frames_without_antialias(grids: tuple[Grid, Grid]) -> None:
    for grid, antialias in zip(grids, (True, False), strict=True):
        assert {settings.frames.antialias for settings in cells(grid)} == {antialias}
        assert {settings.frames.resize for settings in cells(grid)} == {"squash"}


def test_nothing_is_held_out_and_the_last_checkpoint_is_kept(grids: tuple[Grid, Grid]) -> None:
    for grid, held, keep in zip(grids, (500, 0), ("best", "last"), strict=True):
        assert {grid.experiment.corpora[name].holdout for name in ("msrvtt", "activitynet")} == {held}
        assert cells(grid)[1].keep == keep
    assert cells(grids[1])[0].validate_every is None


def test_no_cell_is_shared_and_no_departure_is_on_by_default(grids: tuple[Grid, Grid]) -> None:
    base, published = grids
    trained = {name for name in base.cells if name.startswith(("pretrain/", "finetune/"))}
    assert trained.isdisjoint(published.cells)
    defaults = OptimSettings(steps=1)
    assert all(getattr(defaults, name) == ours for name, (ours, _) in OPTIM.items() if name != "precision")
    assert FramesSettings().antialias
    assert defaults.temperature_lr == 1  # 10 for DiDeMo at B/16 alone


def test_each_departure_moves_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    grid = Grid({**read_yaml("experiments/mini.yaml"), "studies": "experiments/departures.yaml"})
    rows = {row.variant: row.cells for row in grid.studies["departures"].rows}
    keys = {variant: found["fine_tuned/msrvtt"].key for variant, found in rows.items()}
    assert len(set(keys.values())) == len(keys) == 9
    everything = rows["all"]["finetune/msrvtt"].settings
    for name, (_, theirs) in OPTIM.items():
        if name != "precision":
            assert getattr(everything.optim, name) == theirs
    assert (everything.keep, everything.frames.antialias, everything.optim.temperature_lr) == ("last", False, 10)
