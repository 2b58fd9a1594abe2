"""Cells go to an object store once and come back whole, or not at all."""

import json
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import yaml

from clipvip.__main__ import main
from clipvip.config.base import read_yaml
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.remote_cells import pull, push
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, spec_path, state

ROOT = Path(__file__).parents[2]


def jobs_at(place: Path) -> Jobs:
    data = read_yaml(ROOT / "experiments/smoke.yaml")
    data |= {"results": str(place), "studies": str(ROOT / "experiments/studies.yaml")}
    place.mkdir(parents=True, exist_ok=True)
    (place / "own.yaml").write_text(yaml.safe_dump(data))
    return Jobs(Grid(data))


@pytest.fixture
def ours(tmp_path: Path) -> tuple[Jobs, list[str]]:
    """A results folder with the cells of one corpus, and their names."""
    jobs = jobs_at(tmp_path / "ours")
    jobs.prepare()
    frames = next(cell for cell in jobs.grid.cells.values() if cell.stage == "frames")
    corpus = frames.inputs["corpus"]
    made = [corpus.inputs["world"], corpus, frames]
    for cell in made:
        run_spec(spec_path(jobs.root, cell))
    return jobs, [cell.name for cell in made]


@pytest.fixture
def url() -> Iterator[str]:
    """A store in memory."""
    yield "memory://bucket/results"
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_what_is_pushed_is_fresh_where_it_is_pulled(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path) -> None:
    jobs, made = ours
    assert sorted(push(jobs, url)) == sorted(made)
    assert push(jobs, url) == []
    theirs = jobs_at(tmp_path / "theirs")
    assert sorted(pull(theirs, url)) == sorted(made)
    assert pull(theirs, url) == []
    for cell in theirs.grid.cells.values():
        assert state(theirs.root, cell) == ("fresh" if cell.name in made else "missing")
        for path in folder(jobs.root, cell.name).rglob("*"):
            if path.is_file() and path.name != "files.csv":  # which knows times of files
                assert (theirs.root / path.relative_to(jobs.root)).read_bytes() == path.read_bytes()


def test_what_came_to_harm_there_is_refused_by_name(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path) -> None:
    jobs, made = ours
    push(jobs, url)
    store, theirs = fsspec.filesystem("memory"), jobs_at(tmp_path / "theirs")
    victim = f"/bucket/results/cells/{made[1]}/manifest.parquet"
    whole = store.cat_file(victim)
    store.pipe_file(victim, whole[:-1] + b"x")
    with pytest.raises(ValueError, match=r"manifest\.parquet was altered: its SHA-256 is another; push it again"):
        pull(theirs, url)
    store.rm_file(victim)
    with pytest.raises(ValueError, match=r"manifest\.parquet is gone; push it again"):
        pull(theirs, url)
    assert not folder(theirs.root, made[1]).exists()
    assert not list(folder(theirs.root, made[1]).parent.glob(".*"))


def test_a_cell_of_other_code_or_half_pushed_is_none(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path) -> None:
    jobs, made = ours
    push(jobs, url)
    store = fsspec.filesystem("memory")
    world, corpus = (f"/bucket/results/cells/{name}/receipt.json" for name in made[:2])
    store.rm_file(corpus)  # as where the push was cut
    found = json.loads(store.cat_file(world))
    store.pipe_file(world, json.dumps(found | {"lineage": "of other code"}).encode())
    assert pull(jobs_at(tmp_path / "theirs"), url) == made[2:]
    assert push(jobs, url) == made[:2]


def test_a_list_that_leads_out_of_the_cell_is_refused(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path) -> None:
    jobs, made = ours
    push(jobs, url)
    store, listed = fsspec.filesystem("memory"), f"/bucket/results/cells/{made[0]}/files.csv"
    store.pipe_file(listed, store.cat_file(listed) + b"../../outside,1,1,x\n")
    with pytest.raises(ValueError, match=r"'\.\./\.\./outside' is outside of the cell"):
        pull(jobs_at(tmp_path / "theirs"), url)


def test_the_commands_say_how_many_and_what_is_missing(
    ours: tuple[Jobs, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, _ = ours
    there, own = (tmp_path / "bucket").as_uri(), str(jobs.root / "own.yaml")
    assert main(["push", there, own]) == 0
    assert capsys.readouterr().out == f"3 cells pushed to {there}\n"
    assert main(["pull", "nowhere://bucket", own]) == 2
    assert capsys.readouterr().err.startswith("clipvip: nowhere://bucket: ")


@pytest.mark.slow
def test_a_bucket_of_an_s3_server(
    ours: tuple[Jobs, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 seconds: the same over HTTP, against moto's server on this machine."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        fsspec.filesystem("s3").mkdir("bucket")
        jobs, made = ours
        assert sorted(push(jobs, "s3://bucket/results")) == sorted(made)
        assert push(jobs, "s3://bucket/results") == []
        theirs = jobs_at(tmp_path / "theirs")
        assert sorted(pull(theirs, "s3://bucket/results")) == sorted(made)
        assert {state(theirs.root, cell) for cell in theirs.grid.cells.values() if cell.name in made} == {"fresh"}
    finally:
        server.stop()
    assert os.environ["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


HOSTILE = {
    "absolute": (b"path,size,time_ns,sha256\n/etc/passwd,1,1,x\n", "'/etc/passwd' is outside of the cell"),
    "up": (b"path,size,time_ns,sha256\na/../../../x,1,1,x\n", "is outside of the cell"),
    "the cell": (b"path,size,time_ns,sha256\n.,1,1,x\n", "'.' is outside of the cell"),
    "windows": (b"path,size,time_ns,sha256\nC:\\x,1,1,x\n", "is outside of the cell"),
    "no columns": (b"a,b\n1,2\n", "no list of a cell's files"),
    "no number": (b"path,size,time_ns,sha256\nx,many,1,x\n", "no list of a cell's files"),
    "other size": (b"path,size,time_ns,sha256\nconfig.json,1,1,x\n", "bytes and was made with 1; push it again"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_list_that_means_harm_is_one_line(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path, name: str) -> None:
    jobs, made = ours
    push(jobs, url)
    listed, said = HOSTILE[name]
    fsspec.filesystem("memory").pipe_file(f"/bucket/results/cells/{made[0]}/files.csv", listed)
    theirs = jobs_at(tmp_path / "theirs")
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        pull(theirs, url)
    assert "\n" not in str(refused.value)
    assert not folder(theirs.root, made[0]).exists()


@pytest.mark.parametrize("held", [b"", b"[]", b'{"lineage": ', b'{"read": 7}', b"[" * 100_000, b"\xff"])
def test_what_is_no_receipt_is_one_line(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path, held: bytes) -> None:
    jobs, made = ours
    push(jobs, url)
    fsspec.filesystem("memory").pipe_file(f"/bucket/results/cells/{made[0]}/receipt.json", held)
    with pytest.raises(ValueError, match=r"receipt.json: no receipt of a cell; push it again"):
        pull(jobs_at(tmp_path / "theirs"), url)


def test_a_receipt_of_six_gigabytes_is_not_read(ours: tuple[Jobs, list[str]], tmp_path: Path) -> None:
    jobs, made = ours
    place = tmp_path / "bucket"
    push(jobs, place.as_uri())
    os.truncate(place / "cells" / made[0] / "receipt.json", 6 << 30)  # of which the disk holds nothing
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"receipt.json: more than 268 MB; no cell has that"):
        pull(jobs_at(tmp_path / "theirs"), place.as_uri())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KB


def test_a_receipt_that_names_other_inputs_is_left(ours: tuple[Jobs, list[str]], url: str, tmp_path: Path) -> None:
    jobs, made = ours
    push(jobs, url)
    store, path = fsspec.filesystem("memory"), f"/bucket/results/cells/{made[1]}/receipt.json"
    found = json.loads(store.cat_file(path)) | {"inputs": {"world": "../../../away"}}
    store.pipe_file(path, json.dumps(found).encode())
    assert made[1] not in pull(jobs_at(tmp_path / "theirs"), url)
