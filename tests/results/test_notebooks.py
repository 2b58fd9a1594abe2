"""The notebooks of analysis/: valid, without outputs, free of torch; each runs on a small results tree."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from results_tree import Tree, data_scale, domain_gap, main, write_tables

from clipvip.__main__ import main as clipvip
from clipvip.results.report import notebooks

ANALYSIS = Path(__file__).parents[2] / "analysis"
STUDIES = {"data_scale": data_scale, "domain_gap": domain_gap, "main": main, "video_proxy": main, "objective": main}
STUDIES["study"] = main  # for studies without one of their own


def test_every_study_has_a_notebook() -> None:
    assert {path.stem for path in ANALYSIS.glob("*.ipynb")} == set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_notebook_is_clean(study: str) -> None:
    notebook = nbformat.read(ANALYSIS / f"{study}.ipynb", as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert notebook.cells[0].source.startswith("# ")


def test_notebooks_run_on_study_folders(tmp_path: Path) -> None:
    lines = ["import os, sys"]
    for study, make in STUDIES.items():
        folder = make(Tree(tmp_path / study))
        write_tables(folder)
        notebook = nbformat.read(ANALYSIS / f"{study}.ipynb", as_version=4)
        code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        lines += [f"os.environ['CLIPVIP_STUDY'] = {str(folder)!r}", f"exec({code!r}, {{}})"]
    lines.append("assert not {'torch', 'mlflow'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for kind in ("svg", "png"):
        figures = list(tmp_path.rglob(f"figure.{kind}"))
        assert len(figures) == len(STUDIES)
        assert min(path.stat().st_size for path in figures) > 10_000
        assert (tmp_path / f"main/results/mini/studies/main/gaze.{kind}").stat().st_size > 10_000


def test_a_notebook_runs_by_command_and_holds_nothing_of_the_machine(tmp_path: Path) -> None:
    folder = main(Tree(tmp_path))
    write_tables(folder)
    verdicts = pd.read_csv(folder / "verdicts.csv").assign(note="a note " + "that goes on and on " * 10 + "to its end")
    verdicts.to_csv(folder / "verdicts.csv", index=False)
    out = tmp_path / "notebooks" / "main.ipynb"
    assert clipvip(["notebook", str(ANALYSIS / "main.ipynb"), str(folder), "--out", str(out)]) == 0
    executed = nbformat.read(out, as_version=4)
    own = nbformat.read(ANALYSIS / "main.ipynb", as_version=4)
    assert [cell.source for cell in executed.cells] == [cell.source for cell in own.cells]
    text = out.read_text()
    assert "Of 1 expected difference" in text
    assert "to its end" in text, "notes are not cut"
    assert not any(place in text for place in (str(tmp_path), str(ANALYSIS.parent), sys.prefix, "preamble"))
    assert (folder / "figure.svg").exists()
    page = (folder / "tables.html").read_text()
    assert "clip_vip &gt; clip on msrvtt/t2v/R@1" in page
    assert "to its end" in page


def test_a_notebook_that_fails_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = main(Tree(tmp_path))  # no tables
    out = tmp_path / "main.ipynb"
    assert clipvip(["notebook", str(ANALYSIS / "main.ipynb"), str(folder), "--out", str(out)]) != 0
    assert "no such file; write the study's tables first" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("below", [".", "analysis", "analysis/mine"])
def test_a_notebook_opened_by_hand_finds_its_study(below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = main(Tree(tmp_path))
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / below)
    monkeypatch.delenv("CLIPVIP_STUDY", raising=False)
    assert notebooks.study("main").resolve() == folder
    with pytest.raises(ValueError, match="ablate_objective"):
        notebooks.study("objective")
    monkeypatch.setenv("CLIPVIP_STUDY", "elsewhere")
    assert notebooks.study("main") == Path("elsewhere")
