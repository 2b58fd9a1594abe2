"""A study as one file: what arrives is what was sent, or nothing is written."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from study_cells import plan_of

from clipvip.__main__ import main
from clipvip.results import archive
from clipvip.results.finished import find, read_plan
from clipvip.results.tables import make


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of a finished study with its table."""
    root = tmp_path / "results"
    plan = plan_of(root, (0,))
    for receipt in root.glob("cells/*/*/receipt.json"):
        held = json.loads(receipt.read_text())
        held |= {"started": "2026-11-01T10:00:00+00:00", "seconds": 90, "content": receipt.parent.name}
        receipt.write_text(json.dumps(held))
    folder = root / plan["experiment"] / "studies" / plan["study"]
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    make(read_plan(folder), folder)
    (folder / "tracked").touch()
    key = next((root / "cells" / "evaluate").iterdir())
    (key / "secret.bin").write_bytes(b"not of a study")
    return folder


def test_what_arrives_is_what_was_sent_and_reads_as_it_did(study: Path, tmp_path: Path) -> None:
    file, root = tmp_path / "main.zip", tmp_path / "elsewhere" / "results"
    archive.export(study, file)
    again = tmp_path / "again.zip"
    archive.export(study, again)
    assert file.read_bytes() == again.read_bytes()
    came = archive.bring(file, root)
    there = root / study.relative_to(study.parents[2])
    assert sorted(path.name for path in there.iterdir()) == sorted(p.name for p in study.iterdir() if p.suffix)
    for path in there.iterdir():
        assert path.read_bytes() == (study / path.name).read_bytes()
    assert not list(root.rglob("secret.bin"))
    assert read_plan(there)["results"] == str(root)
    make(read_plan(there), tmp_path / "tables")
    assert (tmp_path / "tables" / "table.csv").read_bytes() == (study / "table.csv").read_bytes()
    assert archive.bring(file, root) == {"came": 0, "there": came["came"]}
    key = next((root / "cells" / "evaluate").iterdir()).name
    assert find(root, key).receipt["partial"] is True, "results only: nothing may be built on it"


def test_the_metadata_say_what_ran_and_what_it_made(study: Path, tmp_path: Path) -> None:
    archive.export(study, tmp_path / "main.zip")
    with zipfile.ZipFile(tmp_path / "main.zip") as found:
        graph = json.loads(found.read("ro-crate-metadata.json"))["@graph"]
        entries = set(found.namelist())
    by_id = {each["@id"]: each for each in graph}
    profiles = {each["@id"] for each in by_id["./"]["conformsTo"]}
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in profiles
    assert by_id["./"]["mainEntity"]["@id"] == "workflow/Snakefile"
    assert "ComputationalWorkflow" in by_id["workflow/Snakefile"]["@type"]
    (run,) = (each for each in graph if each["@type"] == "CreateAction")
    assert run["instrument"]["@id"] == "workflow/Snakefile"
    assert (run["startTime"], run["endTime"]) == ("2026-11-01T10:00:00+00:00", "2026-11-01T10:01:30+00:00")
    made = {each["@id"] for each in run["result"]}
    assert f"{study.parent.parent.name}/studies/{study.name}/table.csv" in made
    assert made | {run["object"]["@id"]} <= entries
    listed = {each["@id"] for each in by_id["./"]["hasPart"]}
    assert listed == entries - {"ro-crate-metadata.json", "sums.csv"}


def rewritten(file: Path, change: Callable[[dict[str, bytes]], Any], *, sums: bool = True) -> Path:
    """The archive with changed entries; its list of sums is made to fit, as one who means harm would."""
    with zipfile.ZipFile(file) as found:
        held = {name: found.read(name) for name in found.namelist()}
    change(held)
    if sums:
        held.pop("sums.csv", None)
        rows = io.StringIO(newline="")
        listed = [(name, len(each), hashlib.sha256(each).hexdigest()) for name, each in held.items()]
        csv.writer(rows).writerows([("path", "bytes", "sha256"), *listed])
        held["sums.csv"] = rows.getvalue().encode()
    out = file.with_name("changed.zip")
    with zipfile.ZipFile(out, "w") as found:
        for name, each in held.items():
            found.writestr(name, each)
    return out


PLACES = (
    "../outside.csv",
    "/tmp/outside.csv",
    "cells/evaluate/../../../outside.csv",
    "mini/studies/../../../outside.csv",
    "cells/evaluate/0123456789ab/model.pkl.exe",
    "..\\outside.csv",
    ".hidden/studies/main/table.csv",
    "anything.txt",
)


@pytest.mark.parametrize("name", PLACES)
def test_no_file_leaves_the_root(study: Path, tmp_path: Path, name: str) -> None:
    archive.export(study, tmp_path / "main.zip")
    changed = rewritten(tmp_path / "main.zip", lambda held: held.update({name: b"x"}))
    root = tmp_path / "deep" / "er" / "results"
    with pytest.raises(ValueError, match="is no place of a study's file; nothing was written"):
        archive.bring(changed, root)
    assert not root.exists()
    assert not list(tmp_path.rglob("outside*"))


def test_a_flipped_bit_is_named_and_nothing_is_written(study: Path, tmp_path: Path) -> None:
    archive.export(study, tmp_path / "main.zip")
    name = f"{study.parent.parent.name}/studies/{study.name}/table.csv"

    def flip(held: dict[str, bytes]) -> None:
        held[name] = bytes([held[name][0] ^ 1]) + held[name][1:]

    with pytest.raises(ValueError, match=rf"changed.zip: {name} differs from its SHA-256"):
        archive.bring(rewritten(tmp_path / "main.zip", flip, sums=False), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_cut_archive_is_one_line(
    study: Path, tmp_path: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "main.zip"
    archive.export(study, file)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert main(["import", str(file), str(tmp_path / "new")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{file}: {'not a whole archive of a study' if share else 'is empty'}" in said


def test_a_file_that_claims_too_much_is_not_read(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.export(study, tmp_path / "main.zip")
    monkeypatch.setattr(archive, "LARGEST", 1000)
    with pytest.raises(ValueError, match=r"claims .* bytes; nothing was read"):
        archive.bring(tmp_path / "main.zip", tmp_path / "new")


def test_another_cell_of_the_same_key_is_kept(study: Path, tmp_path: Path) -> None:
    archive.export(study, tmp_path / "main.zip")
    archive.bring(tmp_path / "main.zip", tmp_path / "new")
    receipt = next((tmp_path / "new" / "cells" / "evaluate").glob("*/receipt.json"))
    receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "content": "other"}))
    with pytest.raises(ValueError, match="a cell of this key is there with other content"):
        archive.bring(tmp_path / "main.zip", tmp_path / "new")


def test_an_unfinished_study_is_not_exported(study: Path, tmp_path: Path) -> None:
    next((study.parents[2] / "cells" / "evaluate").glob("*/receipt.json")).unlink()
    with pytest.raises(ValueError, match=r"1 of its .* cells are not finished"):
        archive.export(study, tmp_path / "main.zip")
