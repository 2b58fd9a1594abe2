"""What differs between replicates, and what the plan of a study says of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.config.base import merge
from clipvip.pipeline.grid import Grid, load
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.replicates import CAPTIONER, CLIP, SEED, SUBSET

ROOT = Path(__file__).parents[2]
VARIANTS = {
    "none": {"model": {"pooling": "mean"}, "pretrain": None},
    "small": {"pretrain": {"corpus": "small", "objective": "subtitle"}},
    "large": {"pretrain": {"corpus": "large", "objective": "d"}},
}


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def grid(tmp_path: Path, variants: dict[str, Any] = VARIANTS, **change: Any) -> Grid:
    path = tmp_path / "studies.yaml"
    study = {"title": "?", "claim": ".", "downstream": ["msrvtt"], "variants": variants}
    path.write_text(yaml.safe_dump({"studies": {"s": study}}))
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    return Grid(merge(data, {"studies": str(path), **change}))


def settings_of(found: Grid, variant: str) -> list[tuple[Any, ...]]:
    """Clips, seed of the subset, seed, seed of the CLIP, seed of the captioner: a row's post-pretraining."""
    rows = [row.cells["pretrain"] for row in found.studies["s"].rows if row.variant == variant]
    return [
        (
            row.settings.clips,  # type: ignore[attr-defined]
            row.settings.subset_seed,  # type: ignore[attr-defined]
            row.settings.seed,  # type: ignore[attr-defined]
            row.inputs["clip"].settings.seed,  # type: ignore[attr-defined]
            row.inputs["captions"].inputs["captioner"].settings.seed if "captions" in row.inputs else None,  # type: ignore[attr-defined]
        )
        for row in rows
    ]


def test_a_replicate_draws_another_subset_where_one_is_drawn(tmp_path: Path) -> None:
    found = grid(tmp_path, seeds=[0, 3], roles={"small": {"subset_seed": 5}})
    assert settings_of(found, "small") == [(24, 5, 0, 0, None), (24, 8, 3, 0, None)]
    assert settings_of(found, "large") == [(None, 0, 0, 0, 0), (None, 0, 3, 0, 0)]  # all clips: no subset, no new key


def test_replicate_0_is_what_one_seed_is(tmp_path: Path) -> None:
    one = grid(tmp_path, seeds=[0])
    for vary in (["seed"], ["seed", "subset"], ["seed", "subset", "start"], ["start"]):
        assert set(one.cells) <= set(grid(tmp_path, seeds=[0, 1], vary=vary).cells)


def test_only_what_is_asked_for_varies(tmp_path: Path) -> None:
    assert settings_of(grid(tmp_path, seeds=[0, 2], vary=["seed"]), "small")[1] == (24, 0, 2, 0, None)
    assert settings_of(grid(tmp_path, seeds=[0, 2], vary=["subset"]), "small")[1] == (24, 2, 0, 0, None)
    assert settings_of(grid(tmp_path, seeds=[0, 2], vary=["start"]), "large")[1] == (None, 0, 0, 2, 2)


def test_another_start_reaches_every_cell_of_the_row(tmp_path: Path) -> None:
    first, second = (
        row.cells
        for row in grid(tmp_path, seeds=[0, 1], vary=["start"]).studies["s"].rows
        if row.variant == "none"  # no parameter is drawn: only the CLIP differs
    )
    assert {role for role in first if first[role].key == second[role].key} == set()
    assert second["finetune/msrvtt"].inputs["model"].key == second["clip"].key


@pytest.mark.parametrize(
    ("variants", "vary", "expected"),
    [
        (("none", "large"), ["seed", "subset"], [SEED]),
        (("none", "small"), ["seed", "subset"], [SEED, SUBSET]),
        (("none", "small"), ["subset"], [SUBSET]),
        (("none",), ["start"], [CLIP]),
        (("large",), ["start"], [CLIP, CAPTIONER]),
        (("none", "small", "large"), ["seed", "subset", "start"], [SEED, SUBSET, CLIP, CAPTIONER]),
    ],
)
def test_the_plan_says_what_really_varied(
    tmp_path: Path, variants: tuple[str, ...], vary: list[str], expected: list[str]
) -> None:
    chosen = {name: VARIANTS[name] for name in variants}
    jobs = Jobs(grid(tmp_path, chosen, seeds=[0, 1], vary=vary))
    assert jobs.plan(jobs.grid.studies["s"])["varied"] == expected
    alone = Jobs(grid(tmp_path, chosen, seeds=[0], vary=vary))
    assert alone.plan(alone.grid.studies["s"])["varied"] == []


def test_captions_of_the_plan_are_the_first_replicates(tmp_path: Path) -> None:
    jobs = Jobs(grid(tmp_path, seeds=[0, 1], vary=["start"]))
    plan = jobs.plan(jobs.grid.studies["s"])
    assert plan["captions"] == {jobs.grid.corpus("narrated").key: jobs.grid.captions("narrated").key}


def test_further_replicates_of_single_rows_share_the_other_cells(tmp_path: Path) -> None:
    plain, more = grid(tmp_path), grid(tmp_path, more_seeds={"s": {"small": [0, 4]}})
    rows = {(row.variant, row.seed) for row in more.studies["s"].rows}
    assert rows == {("none", 0), ("small", 0), ("small", 4), ("large", 0)}
    assert set(plain.cells) < set(more.cells)
    assert settings_of(more, "small")[1] == settings_of(grid(tmp_path, seeds=[4]), "small")[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": []}, "at least one"),
        ({"seeds": [1, 1]}, "none twice"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0"),
        ({"seeds": [2**32]}, "seeds.0: Input should be less than 4294967296"),
        ({"vary": []}, "vary"),
        ({"vary": ["data"]}, "vary"),
        ({"more_seeds": {"s": {"smal": [1]}}}, "more_seeds: no 'smal' here; did you mean 'small'"),
        ({"more_seeds": {"z": {"small": [1]}}}, "more_seeds: no 'z' here"),
        ({"more_seeds": {"s": {"small": [-1]}}}, "more_seeds.s.small.0: Input should be greater than or equal to 0"),
    ],
)
def test_a_wrong_replicate_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid(tmp_path, **change)


def test_a_start_that_is_given_cannot_vary() -> None:
    with pytest.raises(ValueError, match="neither the starting CLIP nor the captioner is trained here"):
        Grid(merge(yaml.safe_load(Path("experiments/base_32.yaml").read_text()), {"vary": ["start"]}))


def test_the_small_world_has_two_replicates() -> None:
    assert load(["experiments/mini.yaml"]).experiment.seeds == (0, 1)
