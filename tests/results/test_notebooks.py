"""The notebooks of analysis/: valid, without outputs, free of torch; each runs on a small results tree."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from results_tree import Tree, data_scale, domain_gap, main, write_tables

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


@pytest.mark.slow
def test_the_workflow_runs_a_notebook(tmp_path: Path) -> None:
    folder = main(Tree(tmp_path))
    write_tables(folder)
    (tmp_path / "Snakefile").write_text(
        f"""
rule notebook:
    input:
        table="results/mini/studies/main/table.csv",
    output:
        svg="results/mini/studies/main/figure.svg",
        png="results/mini/studies/main/figure.png",
    log:
        notebook="results/mini/notebooks/main.ipynb",
    params:
        folder="results/mini/studies/main",
    notebook:
        "{ANALYSIS / "main.ipynb"}"
"""
    )
    words = [sys.executable, "-m", "snakemake", "-c1", "-d", str(tmp_path), "-s", str(tmp_path / "Snakefile")]
    place = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([*words, "notebook"], cwd=tmp_path, env=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(tmp_path / "results/mini/notebooks/main.ipynb", as_version=4)
    assert "In the experiment mini" in str(executed.cells)
    assert (folder / "figure.svg").exists()
