"""The scores of a study as a table whose columns are switched on and off: sets, scores, direction, before fine-tuning.

Every number and interval is text made by `clipvip.results.numbers`; a script shows, hides and sorts, and prints nothing
of its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.results import numbers, study_files
from clipvip.results.study_folder import expected_metrics

SCORES = {"R@1": "R@1", "R@5": "R@5", "R@10": "R@10", "MdR": "median rank", "log2R": "log2 rank", "order": "order"}
WAYS = {"t2v": "text to video", "v2t": "video to text"}
WHEN = {"fine_tuned": "fine-tuned", "zero_shot": "zero-shot"}
FIRST = ("R@1", "R@5")  # shown from the start, beside what the claims name; order too where there is room
ROOM = 2  # sets


def made(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Switches, columns and rows of summary.csv; a column that is `off` is hidden at first."""
    summary = pd.read_csv(folder / study_files.SUMMARY)
    columns = [each for name in summary.columns if (each := _column(str(name), plan["downstream"])) is not None]
    first = {name.rsplit("/", 1)[-1] for name in expected_metrics(folder)} & set(SCORES) | set(FIRST)
    first |= {"order"} if len(plan["downstream"]) <= ROOM else set()
    for column in columns:
        column["off"] = column["score"] not in first or column["way"] == "v2t" or column["when"] == "zero_shot"
    columns.sort(key=lambda each: [list(WHEN).index(each["when"]), plan["downstream"].index(each["set"])])
    switches = [_switch(key, of, columns, first) for key, of in _kinds(plan["downstream"]).items()]
    return {
        "columns": columns,
        "switches": [switch for switch in switches if len(switch["choices"]) > 1],
        "rows": [_row(row, columns, plan["baseline"]) for _, row in summary.iterrows()],
        "note": str(summary["note"].iloc[0]) if len(summary) and "note" in summary else "",
        "metrics": [column["name"] for column in columns],
    }


def _column(name: str, sets: Sequence[str]) -> dict[str, Any] | None:
    """`msrvtt/zero_shot/t2v/R@5` taken apart; None for what the table does not show."""
    parts = name.split("/")
    if parts[0] not in sets or parts[-1] not in SCORES:
        return None
    when = "zero_shot" if parts[1:2] == ["zero_shot"] else "fine_tuned"
    rest = parts[2:] if when == "zero_shot" else parts[1:]
    way = "t2v" if rest == ["order"] else rest[0]
    if len(rest) > 2 or way not in WAYS:
        return None
    return {"name": name, "set": parts[0], "score": parts[-1], "way": way, "when": when, "label": _label(rest, when)}


def _label(rest: Sequence[str], when: str) -> str:
    words = ["zero-shot"] if when == "zero_shot" else []
    words += ["v2t"] if rest[0] == "v2t" else []
    return " ".join([*words, SCORES[rest[-1]]])


def _kinds(sets: Sequence[str]) -> dict[str, dict[str, str]]:
    return {"set": {name: name for name in sets}, "score": SCORES, "way": WAYS, "when": WHEN}


def _switch(key: str, of: Mapping[str, str], columns: Sequence[Mapping[str, Any]], first: set[str]) -> dict[str, Any]:
    there = {column[key] for column in columns}
    on = {"set": there, "score": first, "way": {"t2v"}, "when": {"fine_tuned"}}[key]
    titles = {"set": "Sets", "score": "Scores", "way": "Direction", "when": "Model"}
    choices = [{"value": name, "label": label, "on": name in on} for name, label in of.items() if name in there]
    return {"key": key, "title": titles[key], "choices": choices}


def _row(row: Any, columns: Sequence[Mapping[str, Any]], baseline: str | None) -> dict[str, Any]:
    cells = []
    for column in columns:
        name = column["name"]
        interval = numbers.interval(row.get(f"{name}/low"), row.get(f"{name}/high"), name)
        given = row[name]
        cells.append(
            {
                "text": numbers.value(given, name),
                "interval": f"({interval})" if interval else "",
                "sort": "" if pd.isna(given) else f"{given:.10g}",
            }
        )
    return {"variant": str(row["variant"]), "baseline": row["variant"] == baseline, "cells": cells}
