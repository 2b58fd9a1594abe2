"""Variants that start from given weights, and the study that waits for the released ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.config.base import merge
from clipvip.pipeline.grid import Grid, load
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.status import summary

ROOT = Path(__file__).parents[2]
MODEL = {"num_frames": 12}


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def grid(**change: Any) -> Grid:
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    return Grid(merge(data, change))


def weights(folder: Path, name: str = "official.pt", content: bytes = b"weights") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_a_variant_starts_from_weights(tmp_path: Path) -> None:
    cells = grid().variant({"pretrain": {"source": weights(tmp_path)}, "model": MODEL}, ("msrvtt",), 3, "here")
    assert set(cells) == {"clip", "weights", "zero_shot/msrvtt", "finetune/msrvtt", "fine_tuned/msrvtt"}
    given = cells["weights"]
    assert given.inputs == {"clip": cells["clip"]}
    assert (given.settings.model.num_frames, given.settings.size) == (12, 24)
    for role in ("zero_shot/msrvtt", "finetune/msrvtt"):
        assert cells[role].inputs["model"] is given
        assert cells[role].settings.model is None
    assert cells["finetune/msrvtt"].settings.seed == 3


def test_keys_follow_the_content(tmp_path: Path) -> None:
    def keys(source: str) -> dict[str, str]:
        cells = grid().variant({"pretrain": {"source": source}, "model": MODEL}, ("msrvtt",), 0, "here")
        return {role: cell.key for role, cell in cells.items()}

    first = keys(weights(tmp_path))
    assert keys(weights(tmp_path / "moved", "other.pt")) == first
    other = keys(weights(tmp_path, content=b"others"))
    assert {role for role in first if other[role] != first[role]} == set(first) - {"clip"}


@pytest.mark.parametrize("source", ["nowhere.pt", "./nowhere"])
def test_weights_that_are_not_there_are_named(source: str) -> None:
    with pytest.raises(ValueError, match=f"pretrain.source: {source}: no such file or folder"):
        grid().variant({"pretrain": {"source": source}}, ("msrvtt",), 0, "here")


def test_the_published_study_waits_for_its_weights(tmp_path: Path) -> None:
    without = grid(results=str(tmp_path / "without"))
    assert "published" not in without.studies
    assert "study published: left out, it needs the released weights: give published.weights" in summary(Jobs(without))
    given = grid(published={"weights": weights(tmp_path)}, model=MODEL, results=str(tmp_path / "with"))
    rows = {row.variant: row.cells for row in given.studies["published"].rows}
    main = {row.variant: row.cells for row in given.studies["main"].rows}
    assert rows["clip"] == main["clip"]
    assert rows["clip_vip"] == main["clip_vip"]
    assert "weights" in rows["released"]
    assert "pretrain" not in rows["released"]
    jobs = Jobs(given)
    assert jobs.plan(given.studies["published"])["published"] is None  # the small world: no figure of a paper
    job = next(job for job in jobs.by_id.values() if rows["released"]["weights"] in job.cells)
    assert rows["released"]["zero_shot/didemo"] in job.cells


def test_without_them_a_variant_that_asks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"published\.weights is not given by experiment smoke"):
        grid().variant({"pretrain": {"source": "published.weights"}}, ("msrvtt",), 0, "here")


def test_at_the_papers_scale_the_plan_asks_for_the_figures(tmp_path: Path) -> None:
    more = tmp_path / "published.yaml"
    more.write_text(yaml.safe_dump({"published": {"weights": weights(tmp_path)}}))
    jobs = Jobs(load(["experiments/base_32.yaml", more]))
    plan = jobs.plan(jobs.grid.studies["published"])
    assert plan["published"] == ["experiments/published.yaml", "base_32"]
    assert plan["variants"] == ["clip", "clip_vip", "released"]


def test_figures_of_papers_never_stand_beside_the_small_world() -> None:
    with pytest.raises(ValueError, match=r"published\.scale: msrvtt, didemo, lsmdc, activitynet are generated"):
        grid(published={"scale": "base_32"})
