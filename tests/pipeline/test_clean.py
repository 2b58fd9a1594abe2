"""Cells that nobody asks for: found, listed with their size, removed; what is asked for stays."""

from pathlib import Path

import pytest
from test_jobs import jobs

from clipvip.__main__ import main
from clipvip.pipeline import clean
from clipvip.pipeline.store import write_spec

ROOT = Path(__file__).parents[2]


def test_only_what_no_study_asks_for_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    plan, other = jobs(tmp_path), jobs(tmp_path, seeds=[5])
    asked = next(cell for cell in plan.grid.cells.values() if cell.stage == "pretrain")
    later = next(cell for cell in other.grid.cells.values() if cell.stage == "pretrain")
    assert later.name not in plan.grid.cells
    for cell in (asked, later):
        folder = tmp_path / "cells" / cell.name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(3 * 2**20))
        write_spec(tmp_path, cell)
    assert clean.unasked([plan]) == {later.name: 3 * 2**20}
    assert clean.unasked([plan, other]) == {}
    said = clean.listing(clean.unasked([plan]), ["smoke"])
    assert f"3.0 MiB  {later.name}" in said
    assert "1 cells, 3.0 MiB" in said
    clean.remove(tmp_path, [later.name])
    assert [path.name for path in (tmp_path / "cells/pretrain").iterdir()] == [asked.key]
    assert [path.stem for path in (tmp_path / "specs").iterdir()] == [f"pretrain-{asked.key}"]


def test_other_results_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ValueError, match="results in 2 places"):
        clean.unasked([jobs(tmp_path / "a"), jobs(tmp_path / "b")])


def test_nothing_goes_without_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.yaml"
    text = (ROOT / "experiments/smoke.yaml").read_text()
    file.write_text(f"{text}\nresults: {tmp_path}/results\nstudies: {ROOT}/experiments/studies.yaml\n")
    left = tmp_path / "results/cells/clip/0123456789ab"
    left.mkdir(parents=True)
    (left / "receipt.json").write_text("{}")
    monkeypatch.chdir(ROOT)
    assert main(["clean", str(file)]) == 0
    assert "clip/0123456789ab" in capsys.readouterr().out
    assert left.exists()
    assert main(["clean", str(file), "--yes"]) == 0
    assert not left.exists()
