"""Jobs: packing, what waits for what, and markers that agree with the receipts."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.config.base import merge
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.status import listing, missing_folders, summary

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def jobs(results: Path, **change: Any) -> Jobs:
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    return Jobs(Grid(merge(data, {"results": str(results), **change})))


@pytest.mark.parametrize("pack", [True, False])
def test_every_cell_has_one_job_and_jobs_wait_for_their_inputs(tmp_path: Path, pack: bool) -> None:
    plan = jobs(tmp_path, run={"pack": pack, "shards": 3})
    made = [cell.name for job in plan.by_id.values() if not job.shard for cell in job.cells]
    assert sorted(made) == sorted(plan.grid.cells)
    markers = {plan.marker(job): job for job in plan.by_id.values()}
    for job in plan.by_id.values():
        waited = {cell.name for marker in plan.needs(job) for cell in markers[marker].cells}
        own = {cell.name for cell in job.cells}
        inputs = {other.name for cell in job.cells for other in cell.inputs.values()}
        assert inputs <= waited | own
    shards = [job for job in plan.by_id.values() if job.shard]
    assert sorted(job.shard for job in shards if job.shard) == [(0, 3), (1, 3), (2, 3)]


def test_a_pack_holds_all_that_starts_from_one_checkpoint(tmp_path: Path) -> None:
    plan = jobs(tmp_path)
    row = next(row for row in plan.grid.studies["main"].rows if row.variant == "clip_vip")
    pack = next(job for job in plan.by_id.values() if row.cells["finetune/msrvtt"] in job.cells)
    assert pack.rule == "variant"
    names = {cell.name for cell in pack.cells}
    assert {cell.name for role, cell in row.cells.items() if role != "clip"} <= names
    order = [cell.name for cell in pack.cells]
    assert order.index(row.cells["finetune/msrvtt"].name) < order.index(row.cells["fine_tuned/msrvtt"].name)


def test_the_cheapest_study_goes_first_and_what_everything_waits_for_before(tmp_path: Path) -> None:
    plan = jobs(tmp_path)
    markers = {plan.marker(job): job for job in plan.by_id.values()}
    needed = {name: set(plan.study_markers(study)) for name, study in plan.grid.studies.items()}
    for waited in needed.values():
        while more := {each for marker in waited for each in plan.needs(markers[marker])} - waited:
            waited |= more
    first = min(needed.values(), key=len)
    least = min(plan.priority(markers[marker]) for marker in first)
    assert first < set(markers)
    for job in plan.by_id.values():
        for marker in plan.needs(job):
            assert plan.priority(markers[marker]) >= plan.priority(job)
        if job.rule not in ("clip", "captioner") and plan.marker(job) not in first:
            assert plan.priority(job) < least
    starting = next(job for job in plan.by_id.values() if job.rule == "clip")
    assert plan.priority(starting) == max(plan.priority(job) for job in plan.by_id.values())


def test_later_galleries_are_made_in_a_job_of_their_own(tmp_path: Path) -> None:
    """What trains on a set does not wait for them."""
    plan = jobs(tmp_path, corpora={"msrvtt": {"world": {"galleries": 3}}})
    pack = next(job for job in plan.by_id.values() if plan.grid.corpus("msrvtt", 2) in job.cells)
    made = [cell for number in (2, 3) for cell in plan.grid.corpus_inputs("msrvtt", number, truth=True).values()]
    assert {cell.name for cell in pack.cells} == {cell.name for cell in made}


def test_markers_follow_the_receipts(tmp_path: Path) -> None:
    plan = jobs(tmp_path)
    plan.prepare()
    job = next(job for job in plan.by_id.values() if job.rule == "prepare" and "msrvtt" in str(job.cells[0].settings))
    marker = Path(plan.marker(job))
    assert not marker.exists()
    made = [run_spec(Path(spec)) for spec in plan.specs(job)][-1]
    jobs(tmp_path).prepare()  # another clone, without any memory of the run
    assert marker.exists()
    assert marker.stat().st_mtime == (made / "receipt.json").stat().st_mtime
    (made / "receipt.json").unlink()
    jobs(tmp_path).prepare()
    assert not marker.exists()


def test_preparing_twice_writes_nothing_new(tmp_path: Path) -> None:
    jobs(tmp_path).prepare()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    jobs(tmp_path).prepare()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    assert any(path.name == "plan.json" for path in before)


def test_tables_count_as_made_only_while_all_below_them_is(tmp_path: Path) -> None:
    plan = jobs(tmp_path)
    plan.prepare()
    for job in plan.by_id.values():  # as if all were made
        for cell in job.cells:
            folder = tmp_path / "cells" / cell.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "receipt.json").write_text(f'{{"lineage": "{cell.lineage}", "fingerprint": ""}}')
    study = plan.grid.studies["main"]
    marker, table = Path(plan.table_marker(study)), plan.study_folder("main") / "table.csv"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    table.touch()
    jobs(tmp_path).prepare()
    assert marker.exists()
    lost = next(cell for cell in study.cells() if cell.stage == "evaluate")
    (tmp_path / "cells" / lost.name / "receipt.json").unlink()
    jobs(tmp_path).prepare()
    assert not marker.exists()


def test_a_missing_folder_is_named_with_where_it_is_to_be_had(tmp_path: Path) -> None:
    change = {"coco": {"format": "coco", "root": str(tmp_path / "coco"), "world": None}}
    (line,) = missing_folders(jobs(tmp_path, corpora=change))
    assert line.startswith("corpora.coco.root: no folder")
    assert str(tmp_path / "coco") in line
    assert "captions_*2017.json" in line


def test_the_listing_names_every_cell_and_its_state(tmp_path: Path) -> None:
    plan = jobs(tmp_path)
    lines = listing(plan, "main").splitlines()
    assert lines[0] == summary(plan)
    assert len(lines) == 1 + sum(len(row.cells) for row in plan.grid.studies["main"].rows)
    assert all(line.endswith("missing") for line in lines[1:])
    with pytest.raises(ValueError, match="no study 'mian'"):
        listing(plan, "mian")
