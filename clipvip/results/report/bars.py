"""Differences with their intervals as bars that need no text: places in percent of the width, the same scale a unit."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from clipvip.results import numbers

Row = Mapping[str, Any]


def scales(rows: Iterable[Row]) -> dict[str, float]:
    """Unit -> the largest end of an interval, rounded up to a number that reads; rows have metric, low and high."""
    most: dict[str, float] = {}
    for row in rows:
        ends = [abs(float(row[name])) for name in ("difference", "low", "high") if not _absent(row[name])]
        if ends:
            unit = unit_of(str(row["metric"]))
            most[unit] = max(most.get(unit, 0.0), *ends)
    return {unit: _rounded(value) for unit, value in most.items()}


def unit_of(metric: str) -> str:
    """ "points", "doublings", "ranks", or "NMI" where a difference has no unit."""
    return numbers.unit(metric).strip() or "NMI"


def bar(row: Row, scale: Mapping[str, float]) -> dict[str, float] | None:
    """Places of interval, value and margin in percent of a width whose middle is 0; None without a value."""
    if _absent(row["difference"]) or unit_of(str(row["metric"])) not in scale:
        return None
    most = scale[unit_of(str(row["metric"]))]

    def place(value: float) -> float:
        return round(50 + 50 * max(-1.0, min(1.0, value / most)), 2)

    value = float(row["difference"])
    low, high = (value if _absent(row[name]) else float(row[name]) for name in ("low", "high"))
    margin = 0.0 if _absent(row["margin"]) else float(row["margin"])
    found = {"value": place(value), "low": place(low), "high": place(high)}
    return found | {"from": place(-margin), "to": place(margin)}


def _rounded(value: float) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
