"""Digits of every metric, and that all that is shown of a study prints the same ones."""

import html
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results_tree import Tree, data_scale, domain_gap, write_tables

from clipvip.results import numbers
from clipvip.results.report import frames, page
from clipvip.results.report.findings import findings
from clipvip.results.report.terminal import markdown


@pytest.mark.parametrize(
    ("number", "metric", "said"),
    [
        (33.3333, "msrvtt/t2v/R@1", "33.3"),
        (0.04, "msrvtt/t2v/R@1", "0.0"),
        (66.6666, "msrvtt/zero_shot/order", "66.7"),
        (2.0, "msrvtt/t2v/MdR", "2.0"),
        (17.25, "msrvtt/v2t/MnR", "17.2"),
        (3.5849, "msrvtt/t2v/log2R", "3.58"),
        (0.30249, "nmi/msrvtt", "0.302"),
        (0.5, "msrvtt/t2v/MRR", "0.500"),
        (8.25, "mean_words", "8.2"),
        (12.0, "vocabulary", "12"),
        (0.75, "covers/didemo", "0.750"),
        (np.int64(3), "didemo/t2v/R@5", "3.0"),
        (math.nan, "msrvtt/t2v/R@1", "–"),
        (None, "nmi/msrvtt", "–"),
    ],
)
def test_digits_follow_the_metric(number: float | None, metric: str, said: str) -> None:
    assert numbers.value(number, metric) == said


def test_differences_have_a_sign_and_zero_has_a_plus() -> None:
    assert [numbers.difference(each, "a/t2v/R@1") for each in (1.26, -1.26, -0.04, math.nan)] == [
        "+1.3",
        "-1.3",
        "+0.0",
        "–",
    ]
    assert numbers.difference(0.28, "nmi/msrvtt") == "+0.280"


def test_intervals_stand_in_brackets_or_not_at_all() -> None:
    assert numbers.with_interval(12.34, 10.0, 15.06, "a/t2v/R@1") == "12.3 (10.0 to 15.1)"
    assert numbers.with_interval(-2.0, -4.04, 0.0, "a/order", signed=True) == "-2.0 (-4.0 to +0.0)"
    assert numbers.with_interval(12.34, math.nan, 15.0, "a/t2v/R@1") == "12.3"
    assert numbers.with_interval(math.nan, 1.0, 2.0, "a/t2v/R@1") == "–"
    assert numbers.of_row(pd.Series({"a/t2v/R@1": 50.0}), "a/t2v/R@1") == "50.0"


def test_units_of_differences() -> None:
    units = [numbers.unit(name) for name in ("a/t2v/R@5", "a/order", "a/t2v/MdR", "a/t2v/log2R", "nmi/a")]
    assert units == [" points", " points", " ranks", " doublings", ""]


@pytest.mark.parametrize("make", [data_scale, domain_gap])
def test_terminal_page_findings_and_notebook_say_the_same_numbers(make: Callable[[Tree], Path], tmp_path: Path) -> None:
    folder = make(Tree(tmp_path))
    write_tables(folder)
    page.make([folder], tmp_path / "report.html")
    shown = html.unescape(re.sub("<[^>]*>", "", (tmp_path / "report.html").read_text()))
    terminal, said = markdown(folder), findings(folder)
    summary, verdicts = frames.summary(folder), frames.verdicts(folder)

    for _, row in pd.read_csv(folder / "summary.csv").iterrows():
        for metric in ("msrvtt/t2v/R@5", "didemo/order"):
            value, low, high = (row[f"{metric}{end}"] for end in ("", "/low", "/high"))
            text = f"{value:.1f} ({low:.1f} to {high:.1f})"
            assert f" {text} |" in terminal
            assert text in shown
            assert summary.loc[row["variant"], metric] == text
    for place, row in pd.read_csv(folder / "verdicts.csv").iterrows():
        digits = 3 if row["metric"].startswith("nmi/") else 1
        difference, low, high = (f"{row[name]:+.{digits}f}" for name in ("difference", "low", "high"))
        assert f"| {row['verdict']} | {difference} ({low} to {high}) |" in terminal
        assert f"{difference} ({low} to {high})" in shown
        assert verdicts.loc[place, "difference (95 % interval)"] == f"{difference} ({low} to {high})"
        unit = numbers.unit(row["metric"])
        assert f"`{row['expect']}` ({difference}{unit}, {low} to {high})" in said


def test_the_gap_and_the_language_in_a_notebook(tmp_path: Path) -> None:
    folder = domain_gap(Tree(tmp_path))
    write_tables(folder)
    gap = frames.gap(folder)
    assert gap.loc["subtitles", "msrvtt"].startswith("0.302 (")
    assert re.fullmatch(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", gap.loc["captions", "didemo"])
    language = frames.language(folder).set_index("source")
    assert re.fullmatch(r"\d+", language["vocabulary"].iloc[0])
    assert re.fullmatch(r"\d+\.\d", language["mean_words"].iloc[0])
    assert re.fullmatch(r"\d\.\d{3}", language["type_token"].iloc[0])
