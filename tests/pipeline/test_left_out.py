"""An experiment of which some sets and corpora are not there."""

from pathlib import Path
from typing import Any

import pytest

from clipvip.config.base import merge, read_yaml
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.status import left_out
from clipvip.results.tables import make

ROOT = Path(__file__).parents[2]


def grid(tmp_path: Path, change: dict[str, Any]) -> Grid:
    given = {"results": str(tmp_path / "results"), "studies": str(ROOT / "experiments/studies.yaml")}
    return Grid(merge(merge(read_yaml(ROOT / "experiments/smoke.yaml"), given), change))


def gone(form: str) -> dict[str, Any]:
    return {"format": form, "world": None, "root": "/nowhere", "holdout": 0}


def test_the_other_sets_run_and_the_missing_ones_are_said(tmp_path: Path) -> None:
    whole = grid(tmp_path, {})
    part = grid(tmp_path, {"corpora": {"didemo": gone("didemo"), "alt_text": gone("webvid")}})
    main = part.studies["main"]
    assert main.downstream == ("msrvtt", "lsmdc", "activitynet")
    role = "fine_tuned/lsmdc"
    assert [row.cells[role].key for row in main.rows] == [row.cells[role].key for row in whole.studies["main"].rows]
    rows = {row.variant: row for row in part.studies["domain_gap"].rows}
    assert rows["alt_text"].cells == {}
    assert rows["alt_text"].not_run == "corpora.alt_text: no folder /nowhere"
    assert "didemo (no folder /nowhere)" in left_out(Jobs(part))
    assert left_out(Jobs(whole)) == ""

    import pandas as pd

    for name in ("main", "domain_gap"):
        (tmp_path / name).mkdir()
        make({**Jobs(part).plan(part.studies[name]), "results": str(tmp_path / "results")}, tmp_path / name)
    verdicts = pd.read_csv(tmp_path / "main/verdicts.csv").set_index("metric")
    assert verdicts.loc["didemo/t2v/R@1", "verdict"] == "not run"
    assert verdicts.loc["didemo/t2v/R@1", "note"].startswith("not run: no data")
    assert verdicts.loc["lsmdc/t2v/R@1", "verdict"] == "cannot tell"  # its set is there, its cells are not yet
    assert verdicts.loc["lsmdc/t2v/R@1", "decides"] == "needs its missing cells"
    tests = pd.read_csv(tmp_path / "main/tests.csv")
    assert set(tests.loc[tests["set"] == "didemo", "note"]) == {"not run: no data"}
    table = pd.read_csv(tmp_path / "domain_gap/table.csv").set_index("variant")
    assert table.loc["alt_text", "status"] == "not run: no data"


def test_a_study_without_its_own_sets_runs_on_those_that_are_there(tmp_path: Path) -> None:
    change = {"downstream": ["lsmdc"], "pretrain": {"validate_on": "lsmdc"}}
    assert grid(tmp_path, change).studies["objective"].downstream == ("lsmdc",)


def test_a_misspelt_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="didemo"):
        grid(tmp_path, {"corpora": {"didem": gone("didemo")}, "downstream": ["msrvtt", "didem"]})


def test_with_no_set_at_all_the_grid_is_listed_whole(tmp_path: Path) -> None:
    sets = {name: gone(name) for name in ("msrvtt", "didemo", "lsmdc", "activitynet")}
    found = grid(tmp_path, {"corpora": sets})
    assert (found.absent, len(found.downstream)) == ({}, 4)
