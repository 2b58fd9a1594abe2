"""The terminal's view of a study holds the tables' numbers."""

from pathlib import Path

import pandas as pd
import pytest
from results_tree import Tree, main, write_tables

from clipvip.results.report.terminal import markdown


def test_numbers_and_verdicts_are_those_of_the_tables(tmp_path: Path) -> None:
    folder = main(Tree(tmp_path))
    write_tables(folder)
    text = markdown(folder)
    summary = pd.read_csv(folder / "summary.csv")
    for _, row in summary.iterrows():
        shown = f"{row['msrvtt/t2v/R@1']:.1f} ({row['msrvtt/t2v/R@1/low']:.1f} to {row['msrvtt/t2v/R@1/high']:.1f})"
        assert any(line.startswith(f"| {row['variant']} | {shown}") for line in text.splitlines())
    for _, row in pd.read_csv(folder / "verdicts.csv").iterrows():
        assert f"| {row['expect']} | {row['verdict']} | {row['difference']:+.1f}" in text


def test_a_folder_that_is_no_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a study"):
        markdown(tmp_path)
