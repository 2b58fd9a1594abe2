"""Cells go to an object store once and come back whole, or not at all."""

import json
import os
import re
import resource
from pathlib import Path

import fsspec
import pytest
from one_corpus import jobs_at

from clipvip.__main__ import main
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.remote_cells import pull, push
from clipvip.pipeline.store import folder, state

ROOT = Path(__file__).parents[2]


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
    with pytest.raises(
        ValueError,
        match=r"manifest\.parquet was altered: its SHA-256 is another; `clipvip push --again` copies it once more",
    ):
        pull(theirs, url)
    store.rm_file(victim)
    with pytest.raises(ValueError, match=r"manifest\.parquet is gone; `clipvip push --again` copies it once more"):
        pull(theirs, url)
    assert not folder(theirs.root, made[1]).exists()
    assert not list(folder(theirs.root, made[1]).parent.glob(".*"))
    assert push(jobs, url) == []  # what is there looks whole from its receipt
    assert sorted(push(jobs, url, again=True)) == sorted(made)
    assert made[1] in pull(theirs, url)


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


HOSTILE = {
    "absolute": (b"path,size,time_ns,sha256\n/etc/passwd,1,1,x\n", "'/etc/passwd' is outside of the cell"),
    "up": (b"path,size,time_ns,sha256\na/../../../x,1,1,x\n", "is outside of the cell"),
    "the cell": (b"path,size,time_ns,sha256\n.,1,1,x\n", "'.' is outside of the cell"),
    "windows": (b"path,size,time_ns,sha256\nC:\\x,1,1,x\n", "is outside of the cell"),
    "no columns": (b"a,b\n1,2\n", "no list of a cell's files"),
    "no number": (b"path,size,time_ns,sha256\nx,many,1,x\n", "no list of a cell's files"),
    "other size": (
        b"path,size,time_ns,sha256\nconfig.json,1,1,x\n",
        "bytes and was made with 1; `clipvip push --again` copies it once more",
    ),
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
    with pytest.raises(
        ValueError, match=r"receipt.json: no receipt of a cell; `clipvip push --again` copies it once more"
    ):
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
