"""A results folder that was copied works where it stands, and the original is never touched."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from clipvip.__main__ import main
from clipvip.results.finished import read_plan
from clipvip.results.tracking import moved
from clipvip.results.tracking.store import Store, alone, create


def write(results: Path, key: str, text: str) -> str:
    """A run with a file, as the workflow writes it; its id."""
    note = results / f"{key}.txt"
    note.write_text(text)
    uri = f"sqlite:///{results}/mlflow.db"
    with alone(uri):
        return Store(uri, "mini").write_plain(key, key, [note], {"stage": "study"})[0]


def state(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "mlflow.db.lock"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", ["plain", "with space & 'quote' %41"])
def test_a_copied_store_reads_and_writes_its_own_files(tmp_path: Path, name: str) -> None:
    original, copy = tmp_path / name / "results", tmp_path / f"{name} copy"
    original.mkdir(parents=True)
    create(f"sqlite:///{original}/mlflow.db", original / moved.ARTIFACTS)
    run = write(original, "first", "one")
    shutil.copytree(original, copy)
    before = state(original)
    other = write(copy, "second", "two")
    assert state(original) == before
    os.rename(original, tmp_path / "away")  # so that nothing can come from there
    uri = f"sqlite:///{copy}/mlflow.db"
    with alone(uri):
        store = Store(uri, "mini")
        for each, text in ((run, "one"), (other, "two")):
            found = store.client.list_artifacts(each)
            assert [one.path for one in found] == [f"{'first' if each == run else 'second'}.txt"]
            held = store.client.download_artifacts(each, found[0].path, str(tmp_path))
            assert Path(held).read_text() == text
    assert sorted(path.name for path in (copy / moved.ARTIFACTS).rglob("*.txt")) == ["first.txt", "second.txt"]
    assert moved.settle(copy / "mlflow.db") == 0, "once is enough"


@pytest.mark.parametrize("held", [b"", b"SQLite format 3\x00" + b"\x00" * 100, b"no store" * 200])
def test_a_cut_store_is_named_with_what_to_do(tmp_path: Path, held: bytes) -> None:
    (tmp_path / moved.ARTIFACTS).mkdir()
    (tmp_path / "mlflow.db").write_bytes(held)
    with pytest.raises(ValueError, match=rf"{tmp_path}/mlflow.db: not a whole MLflow store.*clipvip doctor"):
        moved.settle(tmp_path / "mlflow.db")


def test_a_plan_is_read_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = tmp_path / "results" / "mini" / "studies" / "main"
    study.mkdir(parents=True)
    (study / "plan.json").write_text(json.dumps({"study": "main", "results": "results", "rows": []}))
    monkeypatch.chdir(tmp_path.parent)
    assert read_plan(study)["results"] == str(tmp_path / "results")


@pytest.mark.parametrize("command", [["table"], ["track", "--uri", "sqlite:///{}/mlflow.db"]])
def test_tables_and_tags_stay_where_no_cell_is_found(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "results" / "mini" / "studies" / "main"
    study.mkdir(parents=True)
    row = {"variant": "clip", "seed": 0, "cells": {"clip": "0123456789ab"}}
    plan = {"experiment": "mini", "study": "main", "rows": [row], "downstream": ["msrvtt"], "expect": []}
    (study / "plan.json").write_text(json.dumps(plan))
    (study / "table.csv").write_text("variant,seed\nclip,0\n")
    words = [command[0], str(study / "plan.json"), *(word.format(tmp_path) for word in command[1:])]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "none of the cells of study main is there" in said
    assert (study / "table.csv").read_text() == "variant,seed\nclip,0\n"
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("held", [b"", b'{"study": "ma'])
def test_a_cut_plan_is_named(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(held)
    with pytest.raises(ValueError, match=rf"{tmp_path}/plan.json: empty or cut"):
        read_plan(tmp_path)
