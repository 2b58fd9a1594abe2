"""One settings file over another: steps and epochs take each other's place, in every layer of an experiment."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clipvip.config.base import merge
from clipvip.pipeline.grid import Grid, load

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "experiments/base_32.yaml", ROOT / "experiments/rehearsal.yaml"]


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("base", "change", "wanted"),
    [
        ({"epochs": 20, "lr": 1}, {"steps": 3}, {"lr": 1, "steps": 3}),
        ({"steps": 3}, {"epochs": 20}, {"epochs": 20}),
        ({"steps": 3}, {"steps": 4}, {"steps": 4}),
        ({"epochs": 20}, {"lr": 1}, {"epochs": 20, "lr": 1}),
        ({"epochs": 20}, {"epochs": None, "steps": 3}, {"epochs": None, "steps": 3}),
        ({"optim": {"epochs": 20}}, {"optim": {"steps": 3}}, {"optim": {"steps": 3}}),
        ({}, {"steps": 3, "epochs": 20}, {"steps": 3, "epochs": 20}),  # given together: refused later, not chosen
    ],
)
def test_one_of_steps_and_epochs_stays(base: dict, change: dict, wanted: dict) -> None:
    assert merge(base, change) == wanted


def lengths(grid: Grid) -> dict[str, tuple[int | None, float | None]]:
    cells = {role: cell for study in grid.studies.values() for row in study.rows for role, cell in row.cells.items()}
    tuned = {role: cell.settings.optim for role, cell in cells.items() if role.startswith("finetune/")}
    return {role.removeprefix("finetune/"): (optim.steps, optim.epochs) for role, optim in tuned.items()}


def test_a_later_file_turns_epochs_into_steps_and_a_still_later_one_turns_them_back(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("finetune: {optim: {steps: 7}}")
    two.write_text("finetune: {optim: {epochs: 2}}")
    assert lengths(load([FILES[0], one])) == {
        "msrvtt": (None, 100.0),  # its own line is the later one
        "didemo": (7, None),
        "lsmdc": (None, 10.0),
        "activitynet": (7, None),
    }
    assert lengths(load([FILES[0], one, two]))["didemo"] == (None, 2.0)
    assert lengths(load([FILES[0], one], {"finetune": {"optim": {"epochs": 3}}}))["didemo"] == (None, 3.0)


def test_both_in_one_place_are_refused(tmp_path: Path) -> None:
    both = tmp_path / "both.yaml"
    both.write_text("finetune: {optim: {steps: 7, epochs: 2}}")
    with pytest.raises(ValueError, match="give exactly one of `steps` and `epochs`"):
        load([FILES[0], both])


def test_a_file_of_a_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- name: a")
    with pytest.raises(ValueError, match=r"list\.yaml: holds a list; a mapping is read"):
        load([FILES[0], tmp_path / "list.yaml"])


def test_the_rehearsal_changes_sizes_and_places_of_the_papers_scale_and_nothing_else(tmp_path: Path) -> None:
    without = tmp_path / "without.yaml"  # its models need not be built
    without.write_text("published: {weights: null}")
    whole, small = load(FILES[:1]), load([*FILES, without])
    assert set(lengths(small).values()) == {(1, None)}
    assert {name: [row.variant for row in study.rows] for name, study in small.studies.items()} == {
        name: [row.variant for row in study.rows] for name, study in whole.studies.items()
    }
    for study in whole.studies:
        for large, little in zip(whole.studies[study].rows, small.studies[study].rows, strict=True):
            assert list(large.cells) == list(little.cells)
            for role, cell in large.cells.items():
                model = getattr(cell.settings, "model", None)
                assert getattr(little.cells[role].settings, "model", None) == model
                assert getattr(little.cells[role].settings, "num_frames", 0) == getattr(cell.settings, "num_frames", 0)


@pytest.mark.parametrize("last", ["steps: 7", "epochs: 3"])
def test_the_workflow_lays_files_over_one_another_as_the_library_does(tmp_path: Path, last: str) -> None:
    """The keys of its jobs, which it names by what the cells are made of."""
    overlay, results = tmp_path / "overlay.yaml", tmp_path / "results"
    overlay.write_text(f"results: {results}\npretrain: {{optim: {{{last}}}}}\n")
    smoke = "experiments/smoke.yaml"
    words = ["-n", "--quiet", "all", "--configfile", smoke, str(overlay), "--", "ablate_objective"]
    snakemake = shutil.which("snakemake", path=str(Path(sys.executable).parent))
    done = subprocess.run([snakemake, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = {f"{cell.stage}-{cell.key}.json" for cell in load([smoke, overlay]).cells.values()}
    assert {path.name for path in (results / "specs").iterdir()} == wanted
