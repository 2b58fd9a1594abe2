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
    blocks += [f"{name}: not run: no data ({why})" for name, why in _left_out(plan).items()]
    if len(verdicts):
        answers = [
            [row["expect"], str(row["verdict"]), numbers.difference_of(row), _decides(row)]
            for _, row in verdicts.iterrows()
        ]
        expected = "the paper leads one to expect" if plan.get("claim") else "expected"
        blocks.append(_table([expected, "here", "difference (95 % interval)", "what would decide"], answers))
    if plan.get("published"):
        blocks.append(_published(folder))
    return "\n\n".join(blocks)


def _published(folder: Path) -> str:
    """Our figures beside those of the same model in papers; models that no variant runs are left to the page."""
    given = read(folder, study_files.PUBLISHED).dropna(subset=["variant"])
    rows = [
        [
            str(row["variant"]),
            str(row["metric"]) + " (transductive)" * bool(row["transductive"]),
            *(numbers.value(row[name], row["metric"]) for name in ("published", "here")),
            numbers.with_interval(row["distance"], row["low"], row["high"], str(row["metric"]), signed=True),
            f"{row['source']} ({row['standing']})",
        ]
        for _, row in given.iterrows()
    ]
    heads = ["variant", "metric", "published", "here", "here - published (95 % interval of ours)", "read in"]
    return _table(heads, rows)


def _left_out(plan: dict[str, Any]) -> dict[str, str]:
    """Set, language source or variant that is not there -> why."""
    return (plan.get("left_out") or {}) | {r["variant"]: r["not_run"] for r in plan.get("rows", []) if r.get("not_run")}


def _decides(row: Any) -> str:
    said = row.get("decides")
    return said if isinstance(said, str) else ""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
