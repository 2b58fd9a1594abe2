"""Studies -> cells: sharing, keys that do not move, and mistakes found before anything runs."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.config.base import merge
from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings
from clipvip.config.stages import PretrainCell
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid, load

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def experiment(**change: Any) -> dict[str, Any]:
    data = merge(yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text()), change)
    assert isinstance(data, dict)
    return data


def with_studies(tmp_path: Path, studies: dict[str, Any], **change: Any) -> Grid:
    path = tmp_path / "studies.yaml"
    path.write_text(yaml.safe_dump({"studies": studies}))
    return Grid(experiment(studies=str(path), **change))


def study(**change: Any) -> dict[str, Any]:
    return {"title": "?", "claim": ".", "variants": {"one": {}}, **change}


@pytest.mark.parametrize("name", ["mini", "smoke", "base_32", "base_16"])
def test_every_experiment_expands_to_every_study(name: str) -> None:
    grid = load([f"experiments/{name}.yaml"])
    assert {"data_scale", "domain_gap", "video_proxy", "objective", "main"} <= set(grid.studies)
    for each in grid.studies.values():
        assert Counter(row.variant for row in each.rows) == dict.fromkeys(
            each.settings.variants, len(grid.experiment.seeds)
        )


def test_inputs_come_before_what_is_made_from_them() -> None:
    seen: set[str] = set()
    for name, cell in load(["experiments/smoke.yaml"]).cells.items():
        assert {other.name for other in cell.inputs.values()} <= seen
        seen.add(name)


def test_studies_share_cells_with_the_same_settings() -> None:
    grid = load(["experiments/smoke.yaml"])
    rows = {(name, row.variant): row.cells for name, each in grid.studies.items() for row in each.rows}
    large = rows["data_scale", "proxies_large"]["pretrain"]
    assert (
        large.key == rows["video_proxy", "proxies_4"]["pretrain"].key == rows["objective", "subtitle"]["pretrain"].key
    )
    assert large.key != rows["data_scale", "proxies_small"]["pretrain"].key
    assert rows["data_scale", "captions_large"]["pretrain"].key == rows["main", "clip_vip"]["pretrain"].key


def test_a_null_stage_is_off_and_evaluates_the_plain_clip() -> None:
    grid = load(["experiments/smoke.yaml"])
    row = next(row for row in grid.studies["main"].rows if row.variant == "clip")
    assert "pretrain" not in row.cells
    assert row.cells["zero_shot/msrvtt"].inputs["model"].stage == "clip"
    assert row.cells["fine_tuned/msrvtt"].inputs["model"].stage == "finetune"


def test_a_second_seed_adds_rows_and_keeps_the_first() -> None:
    one, two = Grid(experiment()), Grid(experiment(seeds=[0, 1]))
    assert set(one.cells) < set(two.cells)
    assert len(two.studies["main"].rows) == 2 * len(one.studies["main"].rows)


def test_captions_are_made_only_where_an_objective_reads_them(tmp_path: Path) -> None:
    grid = with_studies(tmp_path, {"s": study(variants={"a": {"pretrain": {"objective": "subtitle"}}})})
    assert "captions" not in {cell.stage for cell in grid.cells.values()}
    grid = with_studies(tmp_path, {"s": study(variants={"a": {"pretrain": {"objective": "b"}}})})
    assert "captions" in {cell.stage for cell in grid.cells.values()}


def test_how_a_cell_is_run_is_no_part_of_its_key() -> None:
    def keys(**run: Any) -> set[str]:
        return {name for name in Grid(experiment(run=run)).cells if not name.startswith("frames/")}

    assert keys(cache=True, device="cpu", shards=2) == keys(cache=False, device="cuda", shards=9, pack=False, workers=3)


def test_settings_at_their_default_do_not_move_a_key() -> None:
    spelt = Cell("frames", FramesSettings(size=24, resize="squash"))
    assert spelt.key == Cell("frames", FramesSettings(size=24)).key != Cell("frames", FramesSettings(size=32)).key


def test_golden_keys() -> None:
    """A default, once released, is not changed: these keys would move."""
    optim = {"steps": 500, "batch_size": 64, "lr": 1e-3}
    frames = FramesSettings(size=24)
    pretrain = PretrainCell.model_validate(
        {
            "model": ModelSettings(num_frames=4),
            "frames": frames,
            "terms": [{"video": ["subtitle"]}],
            "optim": optim,
            "max_tokens": 70,
            "validate_every": None,
        }
    )
    assert Cell("frames", frames).key == "cd6e30e6367a"
    assert Cell("pretrain", pretrain, {"frames": Cell("frames", frames)}).key == "33335b6284dc"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variants": {"one": {"modle": {}}}}, "unknown key 'modle'; did you mean 'model'"),
        ({"variants": {"one": {"pretrain": {"corpus": "larg"}}}}, "no 'larg' here; did you mean 'large'"),
        ({"baseline": "none"}, "baseline 'none' is not one of its variants"),
        ({"trend": {"along": "clips", "lines": {"all": ["on"]}}}, "trend.lines.all: no 'on' here; did you mean 'one'"),
        ({"downstream": ["msrvt"]}, "is not a downstream set"),
        ({"expect": ["one > two on msrvtt/t2v/R@5"]}, "unknown variant 'two'"),
        ({"expekt": []}, "unknown key 'expekt'; did you mean 'expect'"),
        ({"variants": {}}, "variants"),
    ],
)
def test_mistakes_in_a_study_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        with_studies(tmp_path, {"s": study(**change)})
    assert "studies.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roles": {"small": {"corpus": "narated"}}}, "roles.small.corpus: no 'narated' here; did you mean 'narrated'"),
        ({"downstream": ["msrvtt", "didemoo"]}, "downstream.1: no 'didemoo' here"),
        ({"gap_sources": {"captions": "captions of nowhere"}}, "gap_sources.captions: no 'nowhere' here"),
        ({"clip": {"source": "here"}}, "clip: give either `source`"),
        ({"seeds": "0"}, "seeds"),
    ],
)
def test_mistakes_in_an_experiment_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Grid(experiment(**change))
    assert "experiment smoke" in str(caught.value)


def test_a_variant_has_the_last_word_on_fine_tuning(tmp_path: Path) -> None:
    variants = {"own": {"finetune": {"num_frames": 3}}, "given": {}}
    sets = {"lsmdc": {"num_frames": 2}}
    grid = with_studies(tmp_path, {"s": study(variants=variants, downstream=["lsmdc", "msrvtt"])}, finetune_sets=sets)
    rows = {row.variant: row.cells for row in grid.studies["s"].rows}
    frames = {(v, n): rows[v][f"finetune/{n}"].settings.num_frames for v in rows for n in ("lsmdc", "msrvtt")}  # type: ignore[attr-defined]
    assert frames == {("own", "lsmdc"): 3, ("own", "msrvtt"): 3, ("given", "lsmdc"): 2, ("given", "msrvtt"): 4}
