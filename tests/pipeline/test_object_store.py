"""A workflow whose finished cells lie behind a URL makes what nobody has made."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from one_corpus import jobs_at, run_them
from workflow_runs import SMOKE, snakemake

from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.remote_cells import pull, push
from clipvip.pipeline.store import folder, state


def receipt_of(jobs: Jobs, name: str) -> bytes:
    return (folder(jobs.root, name) / "receipt.json").read_bytes()


def test_a_run_with_a_store_makes_a_cell_once(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path) -> None:
    _, made = ours
    first, second = jobs_at(tmp_path / "first"), jobs_at(tmp_path / "second")
    run_them(first, made, url)
    run_them(second, made, url)
    assert [receipt_of(first, name) for name in made] == [receipt_of(second, name) for name in made]


def test_every_job_is_told_of_the_store(tmp_path: Path, url: str) -> None:
    data = jobs_at(tmp_path).grid.given
    jobs = Jobs(Grid({**data, "run": {**data.get("run", {}), "object_store": url, "verify": True}}))
    assert len(jobs.by_id) > 20
    for job in jobs.by_id.values():
        words = jobs.words(job)
        assert words[words.index("--object-store") + 1] == url
        assert "--verify" in words


def test_a_damaged_cell_there_is_made_here_and_replaced(
    ours: tuple[Jobs, list[str]], url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, made = ours
    push(jobs, url)
    store, victim = fsspec.filesystem("memory"), f"/bucket/results/cells/{made[1]}/manifest.parquet"
    store.pipe_file(victim, b"x" + store.cat_file(victim)[1:])
    second, third = jobs_at(tmp_path / "second"), jobs_at(tmp_path / "third")
    run_them(second, made, url)
    assert "manifest.parquet was altered: its SHA-256 is another; " in (said := capsys.readouterr().err)
    assert f"{made[1]} is made here" in said
    assert receipt_of(second, made[1]) != receipt_of(jobs, made[1])  # when it was made
    run_them(third, made, url)
    assert receipt_of(third, made[1]) == receipt_of(second, made[1])
    assert capsys.readouterr().err.splitlines() == [f"{name} brought from {url}" for name in made]


def test_a_store_that_is_away_stops_nobody(
    ours: tuple[Jobs, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, made = ours
    away = jobs_at(tmp_path / "away")
    (tmp_path / "file").touch()
    run_them(away, made, (tmp_path / "file/bucket").as_uri())
    said = [each.rpartition("; ")[2] for each in capsys.readouterr().err.splitlines()]
    for name in made:
        assert f"{name} is made here" in said
        assert f"{name} is not copied: `clipvip push` does it later" in said
    assert {state(away.root, cell) for cell in away.grid.cells.values() if cell.name in made} == {"fresh"}


@pytest.mark.parametrize("word", ["bucket", "://x", "s3://", "a b://x"])
def test_what_is_no_url_is_refused_by_key(tmp_path: Path, word: str) -> None:
    data = jobs_at(tmp_path).grid.given
    with pytest.raises(ValueError, match=rf"run.object_store: '{word}' is no URL, such as s3://bucket/results"):
        Grid({**data, "run": {"object_store": word}})


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of moto's S3 server on this machine."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    name = f"bucket-{uuid.uuid4().hex}"  # the server's memory is the process's
    fsspec.filesystem("s3").mkdir(name)
    yield f"s3://{name}/results"
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


@pytest.mark.slow
def test_a_bucket_of_an_s3_server(ours: tuple[Jobs, list[str]], bucket: str, tmp_path: Path) -> None:
    """20 seconds: the same over HTTP."""
    jobs, made = ours
    assert sorted(push(jobs, bucket)) == sorted(made)
    assert push(jobs, bucket) == []
    theirs = jobs_at(tmp_path / "theirs")
    assert sorted(pull(theirs, bucket)) == sorted(made)
    assert {state(theirs.root, cell) for cell in theirs.grid.cells.values() if cell.name in made} == {"fresh"}


@pytest.mark.slow
def test_a_workflow_on_a_bucket_makes_nothing_that_another_made(bucket: str, tmp_path: Path) -> None:
    """Two minutes: two results folders, one bucket; the second has only tables to make, and they are the same."""
    for name in ("first", "second"):
        change = ("--config", f"results={tmp_path / name}", f"run={{object_store: '{bucket}'}}")
        done = snakemake("--configfile", SMOKE, *change, "--", "ablate_data_scale")
        assert done.returncode == 0, done.stderr
        assert "is made here" not in done.stdout + done.stderr
    receipts = {name: sorted((tmp_path / name).glob("cells/*/*/receipt.json")) for name in ("first", "second")}
    assert len(receipts["first"]) > 20
    for one, other in zip(receipts["first"], receipts["second"], strict=True):
        assert one.read_bytes() == other.read_bytes()  # when it was made, too
    one, other = (tmp_path / name / "smoke/studies/data_scale" for name in ("first", "second"))
    for path in sorted(one.glob("*.csv")):
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


def test_a_store_where_nothing_can_be_written_is_said_before_any_job(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = (tmp_path / "file/bucket").as_uri()
    results = tmp_path / "results"
    done = snakemake("--configfile", SMOKE, "--config", f"results={results}", f"run={{object_store: '{url}'}}")
    assert done.returncode != 0
    assert f"run.object_store: {url}: nothing can be written there: " in done.stderr
    assert not (results / "cells").exists()
