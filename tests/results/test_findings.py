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
        (["yes", "yes", "yes"], "Of 3 expected differences: 3 appear."),
        (["yes", "no", "cannot tell"], "Of 3 expected differences: 1 appears, 1 contradicted, 1 not to be told."),
        (["cannot tell"] * 3, "Of 3 expected differences: 3 not to be told."),
        (["no"] * 3, "Of 3 expected differences: 3 contradicted."),
    ],
)
def test_findings_follow_the_verdicts(studies: list[Path], verdicts: list[str], said: str) -> None:
    text = _with_verdicts(studies[0], verdicts)
    assert text.startswith(said)
    lines = pd.read_csv(studies[0] / "verdicts.csv")["expect"]
    for verdict, lead in (("yes", "Seen: "), ("no", "The contrary is seen: "), ("cannot tell", "Cannot be told: ")):
        own = [line for line, each in zip(lines, verdicts, strict=True) if each == verdict]
        _, _, told = text.partition(lead)
        places = [told.find(f"`{line}` (") for line in own]
        assert (lead in text) == bool(own)
        assert places == sorted(places)
        assert -1 not in places
    assert "Replicates: 2 (0, 1); replicates varied: seed" in text
    assert "distinct lines of the experiment (Holm)" in text
    assert "not comparable with the paper's" in text


def test_findings_give_numbers_with_units(studies: list[Path]) -> None:
    text = findings(studies[1])
    row = pd.read_csv(studies[1] / "verdicts.csv").iloc[1]
    assert f"({row['difference']:+.1f} points, {row['low']:+.1f} to {row['high']:+.1f})" in text
    assert "(+0.280, +0.2" in text, "NMI has no unit and three digits"
    assert "Replicates: 1 (0); " in text
    assert "Intervals of NMI hold the draw of sentences on both sides" in text


def test_what_decides_all_is_said_once(studies: list[Path]) -> None:
    path = studies[0] / "verdicts.csv"
    kept = path.read_text()
    try:
        table = pd.read_csv(path).assign(verdict="one run", decides="needs a second replicate")
        table.to_csv(path, index=False)
        assert findings(studies[0]).count("; each needs a second replicate.") == 1
        table.loc[0, "decides"] = "needs 4 replicates"
        table.to_csv(path, index=False)
        assert findings(studies[0]).count(" needs ") == 3
    finally:
        path.write_text(kept)


def test_findings_without_a_value_or_an_expectation(studies: list[Path]) -> None:
    path = studies[2] / "verdicts.csv"
    kept = path.read_text()
    try:
        empty = pd.read_csv(path).assign(difference=np.nan, verdict="cannot tell")
        pd.concat([empty.head(1)] * 3).to_csv(path, index=False)
        assert "Cannot be told: 3 lines whose cells are missing." in findings(studies[2])
        empty.head(1).to_csv(path, index=False)
        assert "a value is missing" in findings(studies[2])
        pd.read_csv(path).head(0).to_csv(path, index=False)
        assert "expected" not in findings(studies[2]), "nothing is said of claims that a study has not"
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
