"""How far a workflow is, against hand-made receipts, locks and notes of a failure."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.__main__ import main
from clipvip.config.base import merge
from clipvip.pipeline import worklist
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.progress import LIGHT, Progress, duration, status
from clipvip.runtime.files import locked

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """The smoke experiment with its list written: two jobs at a time."""
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    found = Jobs(Grid(merge(data, {"results": str(tmp_path)})))
    found.prepare(at_once=2)
    return found


def finish(jobs: Jobs, name: str, seconds: float, **more: Any) -> None:
    """As if this cell had been made just now."""
    folder = jobs.root / "cells" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "receipt.json").write_text(json.dumps({"fingerprint": "", "seconds": seconds, **more}))
    later = time.time() + 1
    os.utime(folder / "receipt.json", (later, later))


def test_jobs_and_cells_are_named_in_words(jobs: Jobs) -> None:
    row = next(row for row in jobs.grid.studies["main"].rows if row.variant == "clip_vip")
    tuned, zero = row.cells["finetune/lsmdc"], row.cells["zero_shot/lsmdc"]
    variant = jobs.names.whose(tuned)
    assert re.fullmatch(r"\w+, replicate 0", variant)
    assert jobs.names.of(tuned) == f"fine-tune · {variant} · lsmdc"
    assert jobs.names.of(zero) == f"evaluate · {variant} · lsmdc zero-shot"
    titles = [jobs.title(job) for job in jobs.by_id.values()]
    assert len(set(titles)) == len(titles), "two jobs of one name"
    assert "captions · narrated · part 1 of 2" in titles
    assert "generated files, corpus, frame cache · lsmdc" in titles
    assert not [title for title in titles if re.search("[0-9a-f]{12}", title)]


def test_replicates_and_later_test_sets_are_told_apart(tmp_path: Path) -> None:
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    change = {"results": str(tmp_path), "seeds": [0, 1], "corpora": {"msrvtt": {"world": {"galleries": 2}}}}
    found = Jobs(Grid(merge(data, change)))
    titles = [found.title(job) for job in found.by_id.values()]
    assert "generated files, corpus, frame cache · msrvtt test set 2" in titles
    assert {title.replace("replicate 1", "replicate 0") for title in titles if "replicate 1" in title} <= set(titles)


def test_nothing_is_made_then_some_then_all(jobs: Jobs) -> None:
    path = worklist.place(jobs)
    total = len(jobs.grid.cells)
    assert Progress(path).counted() == f"0 of {total} cells made"  # nothing tells how long it takes
    first, *rest = jobs.grid.cells.values()
    finish(jobs, first.name, 10.0)
    alike = [cell for cell in rest if cell.stage == first.stage]
    said = Progress(path).counted()
    assert said.startswith(f"1 of {total} cells made, more than ")  # other stages are not known
    assert alike
    for cell in rest:
        finish(jobs, cell.name, 10.0)
    assert Progress(path).counted().startswith(f"{total} of {total} cells made, about ")  # notebooks and the page


def test_time_left_is_the_work_shared_among_jobs_but_not_shorter_than_the_longest_chain(jobs: Jobs) -> None:
    """Every cell takes ten seconds; by hand from the grid."""
    cells = jobs.grid.cells
    done = {name for name, cell in cells.items() if cell.stage in ("world", "corpus", "frames")}
    for name in cells:
        finish(jobs, name, 10.0)
    path = worklist.place(jobs)
    listed = json.loads(path.read_text())
    for name in cells.keys() - done:  # stale ones: their receipts are older than the list, and tell their time
        os.utime(jobs.root / "cells" / name / "receipt.json", (1, 1))
    for slots in (1, 2, 1000):
        path.write_text(json.dumps({**listed, "at_once": slots}))
        os.utime(path, (1000, 1000))
        progress = Progress(path)
        assert progress.made == done
        seconds, whole = progress.left()
        own = {
            job.id: 10.0 * sum(cell.name not in done for cell in job.cells) * (job.shard is None)
            for job in jobs.by_id.values()
        }

        def end(job: str, own: dict[str, float] = own) -> float:
            return own[job] + max((end(Path(each).name) for each in jobs.needs(jobs.by_id[job])), default=0.0)

        assert whole
        light = [LIGHT[rule] for rule, _ in listed["light"]]
        assert len(light) == 2 * len(jobs.grid.studies) + 1
        work, longest = sum(own.values()) + sum(light), max(map(end, own)) + max(light)
        assert seconds == pytest.approx(max(work / slots, longest))
    assert seconds < sum(own.values())


def test_what_a_running_cell_has_worked_is_not_left_and_neither_are_pages_that_are_made(jobs: Jobs) -> None:
    for name in jobs.grid.cells:
        finish(jobs, name, 100.0)
    path = worklist.place(jobs)
    assert Progress(path).left()[0] == sum(LIGHT[rule] for rule, _ in json.loads(path.read_text())["light"]) / 2
    for _, output in json.loads(path.read_text())["light"]:
        Path(output).touch()
        os.utime(output, (time.time() + 2,) * 2)
    assert Progress(path).counted() == f"{len(jobs.grid.cells)} of {len(jobs.grid.cells)} cells made"
    name = next(name for name, cell in jobs.grid.cells.items() if cell.stage == "evaluate")
    os.utime(jobs.root / "cells" / name / "receipt.json", (1, 1))
    assert Progress(path).left()[0] == pytest.approx(100.0, abs=0.1)
    lock = jobs.root / "locks" / name.replace("/", "-")
    with locked(lock):
        os.utime(lock, (time.time() - 30,) * 2)
        assert Progress(path).left()[0] == pytest.approx(70.0, abs=1.0)
        lock.write_text(json.dumps({"said": "3 of 40", "since": time.time() - 40}))
        assert Progress(path).left()[0] == pytest.approx(60.0, abs=1.0)
        lock.write_text(json.dumps({"said": "3 of 40", "since": time.time() - 400}))
        assert Progress(path).left()[0] == 0


def test_status_tells_what_runs_how_far_and_what_failed_and_why(
    jobs: Jobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in jobs.grid.studies["main"].rows if row.variant == "clip_vip")
    runs, failed = row.cells["finetune/lsmdc"], row.cells["finetune/msrvtt"]
    (tmp_path / "failed").mkdir()
    note = tmp_path / "failed" / f"finetune-{failed.key}.json"
    note.write_text(json.dumps({"reason": "no space\nleft", "trace": "Traceback"}))
    with locked(tmp_path / "locks" / f"finetune-{runs.key}"):
        (tmp_path / "locks" / f"finetune-{runs.key}").write_text('{"said": "lsmdc: 3 of 40, 2.00step/s, 00:18 left"}')
        command = [sys.executable, "-m", "clipvip", "status", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    head, *lines = done.stdout.splitlines()
    total = len(jobs.grid.cells)
    assert head == f"smoke: 0 of {total} cells made; 1 running, 1 failed, {total - 2} to come"
    assert lines == [
        f"  runs    {jobs.names.of(runs)}  lsmdc: 3 of 40, 2.00step/s, 00:18 left  ({runs.name})",
        f"  failed  {jobs.names.of(failed)}: no space  ({note})",
    ]
    assert "1 running" not in status(worklist.place(jobs))  # the lock is free
    assert main(["status", str(tmp_path / "failed")]) == 2
    assert "no workflow has begun here" in capsys.readouterr().err


def test_a_job_says_whose_it_is_and_how_far_all_is(jobs: Jobs) -> None:
    """A real job in a process of its own, as the workflow calls it."""
    job = next(job for job in jobs.by_id.values() if jobs.title(job).endswith("· msrvtt"))
    words = jobs.command(job)
    assert "--listed" in words
    command = [sys.executable, "-m", "clipvip", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    lines = [line for line in done.stderr.splitlines() if line]
    assert all(line.startswith(f"{jobs.names.brief(job.cells)} | ") for line in lines), lines
    assert "| clipvip: attempt 1, " in lines.pop(0)
    own, total = len(job.cells), len(jobs.grid.cells)
    assert lines[0].endswith(f"| [0 of {total} cells made] {jobs.title(job)}")
    assert re.search(rf"\| \[{own} of {total} cells made, more than \d+ \w+ left\] done in \d+ s: ", lines[-1]), lines


def test_durations_in_words() -> None:
    assert [duration(each) for each in (0.4, 89.0, 90.0, 5399.0, 5400.0, 36000.0)] == [
        "0 s", "89 s", "2 min", "90 min", "1.5 h", "10.0 h",
    ]  # fmt: skip
