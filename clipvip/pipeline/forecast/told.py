"""A forecast as a table for people, and as JSON."""

import dataclasses
import json
from datetime import datetime

from clipvip.pipeline.forecast.forecast import Forecast, Row
from clipvip.pipeline.forecast.rates import Rates

HEAD = ("rule", "jobs", "longest", "all", "GPU-hours", "computing", "core-hours", "memory", "disk", "kWh", "bound by")


def table(found: Forecast, rates: Rates, title: str, now: datetime) -> str:
    """What each rule takes, the whole, when it is done, and what does not fit."""
    rows = [HEAD, *(_cells(row) for row in (*found.rows, found.whole))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    power = f"{rates.gpu.watts:g} W a card, " if rates.cards else ""
    host = rates.host
    said = [
        title,
        *lines,
        f"done after {duration(found.seconds)} with {found.parallel} jobs at a time, {found.ends(now):%Y-%m-%d %H:%M} "
        f"if begun now; no sooner than {duration(found.chain)} with any number, since jobs wait for one another",
        f"rates: {rates.said}; energy: {power}{host.core_watts:g} W a busy core, {host.memory_watts_gb:g} W a GB, "
        f"times {host.pue:g} (PUE)",
    ]
    said += [f"does not fit: {line}" for line in found.unfit] or ["all limits of `run` hold what is predicted"]
    return "\n".join(said + ([found.saved] if found.saved else []))


def as_json(found: Forecast, rates: Rates, now: datetime) -> str:
    """The same as plain data."""
    data = dataclasses.asdict(found) | {
        "ends": found.ends(now).isoformat(timespec="minutes"),
        "rates": rates.model_dump(mode="json"),
    }
    return json.dumps(data, indent=1)


def _cells(row: Row) -> tuple[str, ...]:
    """A row's words."""
    return (
        row.rule,
        f"{row.jobs:,}",
        duration(row.longest.seconds),
        duration(3600 * row.hours),
        f"{row.gpu_hours:,.1f}",
        f"{row.computing:,.1f}",
        f"{row.core_hours:,.1f}" if row.core_hours >= 1 else f"{row.core_hours:.2g}",
        f"{row.longest.memory_mb / 1000:,.1f} GB",
        f"{row.disk_mb / 1000:,.1f} GB" if row.disk_mb >= 1000 else f"{row.disk_mb:,.0f} MB",
        f"{row.kwh:,.1f}" if row.kwh >= 1 else f"{row.kwh:.2g}",
        row.bound,
    )


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """Words to the left, figures to the right."""
    last = len(row) - 1
    return [
        word.ljust(width) if place in (0, last) else word.rjust(width)
        for place, (word, width) in enumerate(zip(row, widths, strict=True))
    ]


def duration(seconds: float) -> str:
    """In the unit in which it is a small number."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"
