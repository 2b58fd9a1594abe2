"""The paragraph on a study follows from its tables and never says more."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results_tree import Tree, data_scale, domain_gap, main, write_tables

from clipvip.results.report.findings import findings


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    tree = Tree(tmp_path_factory.mktemp("findings"))
    folders = [data_scale(tree), domain_gap(tree), main(tree)]
    for folder in folders:
        write_tables(folder)
    return folders


def _with_verdicts(study: Path, verdicts: list[str]) -> str:
    path = study / "verdicts.csv"
    kept = path.read_text()
    table = pd.read_csv(path)
    try:
        table.assign(verdict=verdicts).to_csv(path, index=False)
        return findings(study)
    finally:
        path.write_text(kept)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["yes", "yes", "yes"], "the claim appears: 3 of its 3"),
        (
            ["yes", "no", "cannot tell"],
            "the claim appears only in part: 1 of its 3 expected differences appear, 1 are",
        ),
        (["cannot tell"] * 3, "the claim does not appear: 0 of its 3"),
        (["no"] * 3, "the claim does not appear: 0 of its 3 expected differences appear, 3 are contradicted"),
    ],
)
def test_findings_follow_the_verdicts(studies: list[Path], verdicts: list[str], said: str) -> None:
    text = _with_verdicts(studies[0], verdicts)
    assert said in text
    assert text.count("contrary is measured") == verdicts.count("no")
    assert "Replicates: 2 (0, 1); replicates varied: seed" in text
    assert "distinct lines of the experiment (Holm)" in text
    assert "not comparable with the paper's" in text


def test_findings_give_numbers_with_units(studies: list[Path]) -> None:
    text = findings(studies[1])
    row = pd.read_csv(studies[1] / "verdicts.csv").iloc[1]
    assert (
        f"a difference of {row['difference']:+.1f} points (95 % interval {row['low']:+.1f} to {row['high']:+.1f})"
        in text
    )
    assert "0.302 against 0.022, a difference of +0.280 (95 % interval" in text, "NMI has no unit and three digits"
    assert "Replicates: 1 (0); " in text
    assert "Intervals of NMI hold the draw of sentences on both sides" in text


def test_findings_without_a_value_or_an_expectation(studies: list[Path]) -> None:
    path = studies[2] / "verdicts.csv"
    kept = path.read_text()
    try:
        pd.read_csv(path).assign(left=np.nan, verdict="cannot tell").to_csv(path, index=False)
        assert "a value is missing" in findings(studies[2])
        pd.read_csv(path).head(0).to_csv(path, index=False)
        assert "nothing is concluded" in findings(studies[2])
        pd.read_csv(io.StringIO(kept)).assign(verdict="maybe").to_csv(path, index=False)
        with pytest.raises(ValueError, match="'maybe' is none of"):
            findings(studies[2])
    finally:
        path.write_text(kept)


def test_findings_name_what_is_not_finished(studies: list[Path]) -> None:
    path = studies[2] / "table.csv"
    kept = path.read_text()
    try:
        table = pd.read_csv(path)
        table.loc[0, "status"] = "missing"
        table.to_csv(path, index=False)
        assert "not counted: clip (seed 0)" in findings(studies[2])
    finally:
        path.write_text(kept)
