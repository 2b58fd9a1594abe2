"""A study in a terminal, or in a README: its verdicts and its main columns with their intervals, as Markdown."""

from pathlib import Path
from typing import Any

from clipvip.results import numbers, study_files
from clipvip.results.finished import read_plan
from clipvip.results.study_folder import read


def markdown(folder: Path, ends: tuple[str, ...] = ("t2v/R@1", "t2v/R@5", "order")) -> str:
    """Question, results (mean, 95 % interval) and verdicts of a study folder."""
    plan, summary, verdicts = read_plan(folder), read(folder, study_files.SUMMARY), read(folder, study_files.VERDICTS)
    blocks = [f"**{plan['title']}** ({folder})"]
    for sets in [plan["downstream"]] if len(plan["downstream"]) <= 2 else [[name] for name in plan["downstream"]]:
        metrics = [f"{name}/{end}" for name in sets for end in ends if f"{name}/{end}" in summary.columns]
        rows = [
            [str(row["variant"]), *(numbers.of_row(row, metric) for metric in metrics)] for _, row in summary.iterrows()
        ]
        blocks.append(_table(["variant", *metrics], rows))
    if len(verdicts):
        answers = [
            [row["expect"], str(row["verdict"]), numbers.difference_of(row), _decides(row)]
            for _, row in verdicts.iterrows()
        ]
        heads = ["the paper leads one to expect", "here", "difference (95 % interval)", "what would decide"]
        blocks.append(_table(heads, answers))
    return "\n\n".join(blocks)


def _decides(row: Any) -> str:
    said = row.get("decides")
    return said if isinstance(said, str) else ""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
