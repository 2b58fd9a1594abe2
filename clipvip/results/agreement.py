"""Two runs of the same experiment side by side: which claims come out otherwise, which figures leave the intervals.

Read from the tables of the study folders only. A comparison or a row that two studies share counts once. If both runs
were independent in every way, test queries too, 83 % of the figures of one would lie inside the other's 95 % intervals,
since both are uncertain; two runs on the same queries share that part of the uncertainty, and more lie inside.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clipvip.results import numbers, study_files
from clipvip.results.study_folder import read

COLUMNS = ["kind", "study", "name", "metric", "a", "a/low", "a/high", "b", "b/low", "b/high"]
COLUMNS += ["a/outcome", "b/outcome", "change", "a_inside_b", "b_inside_a"]
CLAIM, VALUE = "claim", "value"
REVERSED, CHANGED = "reversed", "changed"  # yes against no; any other two outcomes
ABSENT = "not there"
ENDS = ("/low", "/high")


class Criteria(NamedTuple):
    """What two runs must keep to."""

    reversals: int = 0  # claims that turn from yes to no or back, at most
    changed: float = 0.1  # share of the claims whose outcome differs, at most
    inside: float = 0.93  # share of the differences of either run inside the other's intervals, at least


class Shares(NamedTuple):
    """Of the figures that both runs have with an interval: how many, and the shares inside the other's interval."""

    number: int
    a_inside_b: float
    b_inside_a: float


def studies_of(folder: Path) -> dict[str, Path]:
    """Name -> study folder, of a study folder, an experiment (results/<experiment>) or a results folder.

    Of a results folder with several experiments each name begins with its experiment. ValueError: no study there.
    """
    if (folder / study_files.PLAN).is_file():
        return {folder.resolve().name: folder}
    plans = sorted(folder.glob(f"studies/*/{study_files.PLAN}"))
    if plans:
        return {plan.parent.name: plan.parent for plan in plans}
    plans = sorted(folder.glob(f"*/studies/*/{study_files.PLAN}"))
    if not plans:
        raise ValueError(f"{folder}: no study here; give results, results/<experiment> or a study's folder")
    several = len({plan.parents[2] for plan in plans}) > 1
    return {
        f"{plan.parents[2].name}/{plan.parent.name}" if several else plan.parent.name: plan.parent for plan in plans
    }


def agreement(a: Path, b: Path) -> pd.DataFrame:
    """A row a claim and a row a value of a table, of the studies that either has. ValueError: no study in common."""
    left, right = studies_of(a), studies_of(b)
    if len(left) == len(right) == 1:  # two folders of a study, whatever their names
        right = dict(zip(left, right.values(), strict=True))
    if not set(left) & set(right):
        raise ValueError(f"{a} and {b} have no study in common: {', '.join(left)} against {', '.join(right)}")
    rows = [row for name in dict.fromkeys([*left, *right]) for row in _study(name, left.get(name), right.get(name))]
    found = pd.DataFrame(rows, columns=COLUMNS)
    same = ["kind", "metric", "a", "a/low", "a/high", "b", "b/low", "b/high", "a/outcome", "b/outcome"]
    whole = found[["a", "b"]].notna().all(axis=1)
    return found[~(whole & found.duplicated(same))].reset_index(drop=True)


def _study(name: str, a: Path | None, b: Path | None) -> Iterator[dict[str, Any]]:
    for kind, find in ((CLAIM, _claims), (VALUE, _values)):
        left, right = ({} if folder is None else find(folder) for folder in (a, b))
        for key in dict.fromkeys([*left, *right]):
            one, other = left.get(key, {}), right.get(key, {})
            row: dict[str, Any] = {"kind": kind, "study": name, "name": key[0], "metric": key[1]}
            row |= {f"a{end}": value for end, value in one.items()} | {f"b{end}": value for end, value in other.items()}
            row |= {"a_inside_b": _inside(one, other), "b_inside_a": _inside(other, one)}
            if kind == CLAIM:
                outcomes = (one.get("/outcome", ABSENT), other.get("/outcome", ABSENT))
                row |= {"a/outcome": outcomes[0], "b/outcome": outcomes[1], "change": _change(*outcomes)}
            yield row


def _change(a: str, b: str) -> str:
    return "" if a == b else REVERSED if {a, b} == {"yes", "no"} else CHANGED


def _inside(one: dict[str, Any], other: dict[str, Any]) -> bool | None:
    """Whether the figure of one lies in the interval of the other; None where one of the two is not there."""
    value, low, high = (float(each) for each in (one.get("", np.nan), *(other.get(end, np.nan) for end in ENDS)))
    return None if np.isnan([value, low, high]).any() else low <= value <= high


def _claims(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    rows = read(folder, study_files.VERDICTS).to_dict("records")
    return {
        (" ".join(str(row["expect"]).split()), str(row["metric"])): {
            "": row["difference"],
            "/low": row["low"],
            "/high": row["high"],
            "/outcome": str(row["verdict"]),
        }
        for row in rows
    }


def _values(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The values of summary.csv that have an interval."""
    table = read(folder, study_files.SUMMARY)
    metrics = [name for name in table.columns if f"{name}/low" in table.columns]
    return {
        (str(row["variant"]), metric): {end: row[f"{metric}{end}"] for end in ("", *ENDS)}
        for row in table.to_dict("records")
        for metric in metrics
    }


def shares(rows: pd.DataFrame) -> Shares:
    """Shares inside the other's interval; NaN where no figure has an interval in both."""
    whole = rows.dropna(subset=["a_inside_b", "b_inside_a"])
    if whole.empty:
        return Shares(0, np.nan, np.nan)
    return Shares(len(whole), *(float(whole[name].astype(bool).mean()) for name in ("a_inside_b", "b_inside_a")))


def failures(found: pd.DataFrame, criteria: Criteria) -> list[str]:
    """The criteria that two runs do not keep to, in words. ValueError: nothing to judge them by."""
    claims = found[found["kind"] == CLAIM]
    of_claims, said = shares(claims), []
    if of_claims.number == 0:
        raise ValueError("no claim has a difference with its interval in both; finish both runs first")
    reversals, changed = int((claims["change"] == REVERSED).sum()), float((claims["change"] != "").mean())
    least = min(of_claims.a_inside_b, of_claims.b_inside_a)
    if reversals > criteria.reversals:
        said.append(f"{reversals} claims turn from yes to no or back; allowed: {criteria.reversals}")
    if changed > criteria.changed:
        said.append(f"{changed:.1%} of the claims come out otherwise; allowed: {criteria.changed:.1%}")
    if least < criteria.inside:
        said.append(f"{least:.1%} of the differences lie inside the other's interval; needed: {criteria.inside:.1%}")
    return said


def listing(found: pd.DataFrame, failed: list[str]) -> str:
    """What `clipvip compare` prints: a line a claim, then the shares, then what fails."""
    claims = found[found["kind"] == CLAIM]
    lines = [_line({str(name): value for name, value in row.items()}) for row in claims.to_dict("records")]
    counts = {change: int((claims["change"] == change).sum()) for change in (REVERSED, CHANGED)}
    lines += ["", f"claims: {len(claims)} distinct, {counts[REVERSED]} reversed, {counts[CHANGED]} changed otherwise"]
    for name, kind in (("differences", CLAIM), ("table values", VALUE)):
        of = shares(found[found["kind"] == kind])
        if of.number:
            said = f"{of.a_inside_b:.1%} of A inside B's interval, {of.b_inside_a:.1%} of B inside A's"
            lines.append(f"{name}: {of.number} in both, {said}")
    lines += [f"fails: {line}" for line in failed] or ["all criteria are met"]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    outcomes, metric = f"{row['a/outcome']} | {row['b/outcome']}", str(row["metric"])
    figures = (
        numbers.with_interval(row[side], row[f"{side}/low"], row[f"{side}/high"], metric, signed=True) for side in "ab"
    )
    marks = {REVERSED: "REVERSED", CHANGED: "changed", "": ""}
    return f"{row['study']}: {row['name']}\n    {outcomes}  {' | '.join(figures)}  {marks[row['change']]}".rstrip()
