"""How a number is printed: the same digits for a metric in a terminal, on the page, in words and in notebooks."""

from typing import Any

import pandas as pd

MISSING = "–"
SHARES = ("nmi", "ami", "mmd", "mmd_p", "MRR", "type_token", "naming")  # from 0 to 1
COUNTS = ("vocabulary", "sentences")


def digits(metric: str) -> int:
    """Behind the point: 1 for percent, points, ranks, words; 2 for log2 of ranks; 3 from 0 to 1; none for counts."""
    end = metric.rsplit("/", 1)[-1]
    if metric.startswith(("nmi/", "covers/")) or end in SHARES:
        return 3
    return 0 if end in COUNTS else 2 if end == "log2R" else 1


def unit(metric: str) -> str:
    """What a difference in this metric is counted in, with a space before it; NMI has no unit.

    A difference of 1 in log2R is a rank that doubles.
    """
    end = metric.rsplit("/", 1)[-1]
    if digits(metric) == 3:
        return ""
    if end == "log2R":
        return " doublings"
    return " points" if end.startswith("R@") or end == "order" else " ranks"


def value(number: Any, metric: str) -> str:
    """A value of this metric; a dash where there is none."""
    return MISSING if _absent(number) else f"{number:z.{digits(metric)}f}"


def difference(number: Any, metric: str) -> str:
    """A difference of two values, with its sign."""
    return MISSING if _absent(number) else f"{number:+z.{digits(metric)}f}"


def rank(number: float) -> str:
    """The rank of one answer: whole where it is, one digit where a tie or a mean of runs leaves it between."""
    return f"{number:.1f}".removesuffix(".0")


def margin(number: Any) -> str:
    """The smallest difference that matters, as it was stated; empty where there is none."""
    return "" if _absent(number) else f"{number:g}"


def chance(share: Any) -> str:
    """A probability in percent; empty where it is not known."""
    return "" if _absent(share) else f"{100 * share:.0f} %"


def interval(low: Any, high: Any, metric: str, *, signed: bool = False) -> str:
    """`low to high`, of a difference where `signed`; empty where an end is missing."""
    if _absent(low) or _absent(high):
        return ""
    shown = difference if signed else value
    return f"{shown(low, metric)} to {shown(high, metric)}"


def with_interval(number: Any, low: Any, high: Any, metric: str, *, signed: bool = False) -> str:
    """`x (low to high)`; a number alone, or a dash, where the rest is missing."""
    said, ends = (difference if signed else value)(number, metric), interval(low, high, metric, signed=signed)
    return f"{said} ({ends})" if ends and said != MISSING else said


def of_row(row: Any, metric: str) -> str:
    """The value of a metric and its interval in a row of summary.csv or table.csv."""
    return with_interval(row.get(metric), row.get(f"{metric}/low"), row.get(f"{metric}/high"), metric)


def difference_of(row: Any) -> str:
    """The difference and its interval in a row of verdicts.csv or tests.csv."""
    return with_interval(row["difference"], row["low"], row["high"], str(row["metric"]), signed=True)


def _absent(number: Any) -> bool:
    return number is None or bool(pd.isna(number))
