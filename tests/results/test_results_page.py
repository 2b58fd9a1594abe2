"""The page of results: every number is the tables', the head says how it was made."""

from pathlib import Path

import pytest
from results_tree import Tree, data_scale, main, write_tables

from clipvip.__main__ import main as clipvip
from clipvip.results.report.terminal import markdown
from clipvip.results.results_page import cpu_model, refresh


def _page(root: Path) -> tuple[str, list[Path]]:
    tree = Tree(root)
    folders = [data_scale(tree), main(tree)]
    for folder in folders:
        write_tables(folder)
    (folders[0] / "figure.svg").write_text("<svg/>")
    assert clipvip(["results-page", str(tree.results / "mini"), "--out", str(root / "docs" / "results.md")]) == 0
    return (root / "docs" / "results.md").read_text(), folders


def test_every_study_stands_there_with_its_tables_and_figure(tmp_path: Path) -> None:
    text, folders = _page(tmp_path)
    for folder in folders:
        assert f"## Does {folder.name} matter?" in text
        assert markdown(folder).split("\n\n", 1)[1] in text
    assert "](results/data_scale.svg)" in text
    assert (tmp_path / "docs" / "results" / "data_scale.svg").read_text() == "<svg/>"
    assert "main.svg" not in text  # its notebook has not run


def test_the_head_says_how_it_was_made_and_what_it_is_not(tmp_path: Path) -> None:
    head = _page(tmp_path)[0].split("\n## ")[0]
    assert "never comparable with the paper's" in head
    for row in ("torch | 2.13.0", "commit | 0123456789abcdef", "seeds | 0, 1", "dates | 2026-01-02"):
        assert f"| {row} |" in head
    assert cpu_model() in head
    assert str(tmp_path) not in head


def test_verdicts_in_a_readme_are_refreshed_and_nothing_else(tmp_path: Path) -> None:
    _, (folder, _) = _page(tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- verdicts of data_scale -->\nold\n<!-- end of verdicts -->\nafter\n")
    for _ in range(2):
        refresh(readme, folder.parents[1])
        head, *table, tail = readme.read_text().split("\n\n")
        assert (head, tail) == ("before\n<!-- verdicts of data_scale -->", "<!-- end of verdicts -->\nafter\n")
        assert table == [markdown(folder).split("\n\n")[-1]]


def test_a_folder_without_studies_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert clipvip(["results-page", str(tmp_path)]) == 2
    assert "holds no studies" in capsys.readouterr().err
