"""Two runs side by side, on hand-made study folders whose answers are counted by hand."""

import json
from pathlib import Path

import pandas as pd
import pytest

from clipvip.__main__ import main
from clipvip.results.agreement import CLAIM, VALUE, Criteria, agreement, failures, listing, shares, studies_of

Line = tuple[str, str, float | None, float | None, float | None, str]
A: list[Line] = [
    ("small < none on msrvtt/t2v/R@5", "msrvtt/t2v/R@5", -5.0, -8.0, -2.0, "yes"),
    ("d > a on msrvtt/t2v/R@5", "msrvtt/t2v/R@5", 1.0, -1.0, 3.0, "cannot tell"),
    ("d > b on msrvtt/t2v/R@5", "msrvtt/t2v/R@5", 2.0, 1.0, 3.0, "yes"),
    ("d > c on didemo/t2v/R@5", "didemo/t2v/R@5", -2.0, -3.0, -1.0, "no"),
]
B: list[Line] = [
    ("small < none  on msrvtt/t2v/R@5", "msrvtt/t2v/R@5", -4.0, -6.0, -3.0, "yes"),  # -5 inside, -4 inside
    ("d > a on msrvtt/t2v/R@5", "msrvtt/t2v/R@5", 4.0, 2.0, 6.0, "yes"),  # 1 outside, 4 outside: changed
    ("d > b on msrvtt/t2v/R@5", "msrvtt/t2v/R@5", -2.0, -4.0, 2.0, "no"),  # 2 inside (the end), -2 outside: reversed
    ("d > c on didemo/t2v/R@5", "didemo/t2v/R@5", -1.0, -2.5, 0.5, "cannot tell"),  # both inside: changed
]
VERDICTS = ["expect", "metric", "difference", "low", "high", "verdict"]
SUMMARY = ["variant", "seeds", "msrvtt/t2v/R@5", "msrvtt/t2v/R@5/low", "msrvtt/t2v/R@5/high", "msrvtt/t2v/MdR"]
VALUES_A = [("none", 2, 20.0, 18.0, 22.0, 9.0), ("small", 2, 15.0, 13.0, 17.0, 12.0)]
VALUES_B = [("none", 2, 21.0, 20.5, 23.0, 9.0), ("small", 2, 16.0, 14.0, 18.0, 12.0)]  # only 20.0 lies outside


def study(root: Path, name: str, lines: list[Line], values: list[tuple[object, ...]]) -> Path:
    folder = root / "mini" / "studies" / name
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"experiment": "mini", "study": name}))
    pd.DataFrame(lines, columns=VERDICTS).to_csv(folder / "verdicts.csv", index=False)
    pd.DataFrame(values, columns=SUMMARY).to_csv(folder / "summary.csv", index=False)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two results folders; the second study of either repeats a claim and a row of the first."""
    for side, lines, values in (("a", A, VALUES_A), ("b", B, VALUES_B)):
        study(tmp_path / side, "objective", lines, list(values))
        study(tmp_path / side, "again", lines[:1], list(values[:1]))
    return tmp_path / "a", tmp_path / "b"


def test_what_differs_is_counted(runs: tuple[Path, Path]) -> None:
    found = agreement(*runs)
    claims, values = (found[found["kind"] == kind] for kind in (CLAIM, VALUE))
    assert dict(zip(claims["name"], claims["change"], strict=True)) == {
        "small < none on msrvtt/t2v/R@5": "",
        "d > a on msrvtt/t2v/R@5": "changed",
        "d > b on msrvtt/t2v/R@5": "reversed",
        "d > c on didemo/t2v/R@5": "changed",
    }
    assert shares(claims) == (4, 3 / 4, 2 / 4)
    assert shares(values) == (2, 1 / 2, 1.0)


@pytest.mark.parametrize("level", ["", "mini", "mini/studies/objective"])
def test_any_level_of_the_results_is_understood(runs: tuple[Path, Path], level: str) -> None:
    found = agreement(runs[0] / level, runs[1] / level)
    assert (found["kind"] == CLAIM).sum() == 4


@pytest.mark.parametrize(
    ("criteria", "failed"),
    [
        (Criteria(reversals=1, changed=0.75, inside=0.5), []),
        (Criteria(reversals=0, changed=0.75, inside=0.5), ["turn from yes to no"]),
        (Criteria(reversals=1, changed=0.74, inside=0.5), ["75.0% of the claims"]),
        (Criteria(reversals=1, changed=0.75, inside=0.51), ["50.0% of the differences"]),
        (Criteria(), ["turn from yes to no", "of the claims", "of the differences"]),
    ],
)
def test_each_criterion_fails_by_itself(runs: tuple[Path, Path], criteria: Criteria, failed: list[str]) -> None:
    found = failures(agreement(*runs), criteria)
    assert len(found) == len(failed)
    assert all(words in line for words, line in zip(failed, found, strict=True))


def test_a_run_agrees_with_itself(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs[0]), str(runs[0])]) == 0
    assert "claims: 4 distinct, 0 reversed, 0 changed otherwise" in capsys.readouterr().out


def test_the_command_prints_writes_and_fails(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out = runs[0].parent / "compared.csv"
    assert main(["compare", *map(str, runs), "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert (
        "objective: d > b on msrvtt/t2v/R@5\n    yes | no  +2.0 (+1.0 to +3.0) | -2.0 (-4.0 to +2.0)  REVERSED" in said
    )
    assert "differences: 4 in both, 75.0% of A inside B's interval, 50.0% of B inside A's" in said
    assert "table values: 2 in both, 50.0% of A inside B's interval, 100.0% of B inside A's" in said
    assert said.count("fails: ") == 3
    assert len(pd.read_csv(out)) == 6
    assert (
        main(["compare", *map(str, runs), "--most-reversed", "1", "--most-changed", "0.75", "--least-inside", "0.5"])
        == 0
    )


def test_a_claim_that_one_run_lacks_has_changed(tmp_path: Path) -> None:
    study(tmp_path / "a", "s", A, list(VALUES_A))
    unfinished: list[Line] = [(B[0][0], B[0][1], None, None, None, "cannot tell"), *B[1:3]]
    study(tmp_path / "b", "s", unfinished, list(VALUES_B[:1]))
    found = agreement(tmp_path / "a", tmp_path / "b")
    claims = found[found["kind"] == CLAIM].set_index("name")
    assert claims["change"].to_list() == ["changed", "changed", "reversed", "changed"]
    assert claims.loc["d > c on didemo/t2v/R@5", "b/outcome"] == "not there"
    assert shares(found[found["kind"] == CLAIM]) == (2, 1 / 2, 0.0)
    assert shares(found[found["kind"] == VALUE]).number == 1
    assert "no | not there  -2.0 (-3.0 to -1.0) | –  changed" in listing(found, [])


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one, other = study(tmp_path / "a", "s", A, []), study(tmp_path / "b", "t", A, [])
    study(tmp_path / "a", "more", A, [])
    with pytest.raises(ValueError, match="no study in common"):
        agreement(tmp_path / "a", tmp_path / "b")
    assert len(agreement(one, other)) == 4  # two folders of one study each
    with pytest.raises(ValueError, match="no study here"):
        studies_of(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no claim has a difference"):
        failures(agreement(study(tmp_path / "c", "s", [], []), other).query("kind == 'value'"), Criteria())
