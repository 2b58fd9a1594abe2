"""What a study found, in words that follow from its verdicts and never say more than its tests."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.registry import stage_of
from clipvip.results import numbers, outcomes, registered, study_files
from clipvip.results.finished import generated, read_plan

VERDICTS = {
    outcomes.YES: "appears",
    outcomes.NO: "does not appear, the contrary is measured",
    outcomes.SAME: "does not appear, there is no difference that matters",
    outcomes.OPEN: "cannot be told",
    outcomes.ONE_RUN: "cannot be told from one run",
    outcomes.NOT_RUN: "was not run",
}


def findings(folder: Path) -> str:
    """One paragraph on the study in this folder. ValueError where verdicts.csv holds a verdict of another name."""
    plan = read_plan(folder)
    verdicts = _verdicts(folder)
    found = [f"The paper says: {_sentence(plan['claim'])}" if plan.get("claim") else ""]
    found += [_overall(plan, verdicts), *(_line(row) for _, row in verdicts.iterrows())]
    found += [*_trends(folder), _missing(folder), _mixed(folder), _intervals(plan, verdicts), _caution(folder)]
    return " ".join(part for part in found if part)


def _verdicts(folder: Path) -> pd.DataFrame:
    path = folder / study_files.VERDICTS
    if not path.is_file():
        raise ValueError(f"{path}: no such file; write the study's tables first (target ablate_{folder.name})")
    verdicts = pd.read_csv(path)
    unknown = sorted(set(verdicts["verdict"].astype(str)) - set(VERDICTS))
    if unknown:
        raise ValueError(f"{path}: verdict {unknown[0]!r} is none of {', '.join(VERDICTS)}")
    return verdicts


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _overall(plan: dict[str, Any], verdicts: pd.DataFrame) -> str:
    where, count = f"In the experiment {plan['experiment']}", len(verdicts)
    if count == 0:
        return f"{where} nothing was expected of this study, so nothing is concluded from it."
    told = (outcomes.YES, outcomes.NO, outcomes.SAME, outcomes.NOT_RUN)
    held, against, same, lacking = (int((verdicts["verdict"] == name).sum()) for name in told)
    shares = f"{held} of its {count} expected differences appear, {against} are contradicted, "
    shares += f"{same} are too small to matter, {count - held - against - same - lacking} cannot be told"
    shares += f", {lacking} were not run for want of data" if lacking else ""
    if held == count:
        return f"{where} the claim appears: {shares}."
    return f"{where} the claim {'appears only in part' if held else 'does not appear'}: {shares}."


def _line(row: Any) -> str:
    """One expectation: both values, their difference (left minus right) with its interval, and the verdict."""
    metric = str(row["metric"])
    if row["verdict"] == outcomes.NOT_RUN:
        return f"`{row['expect']}`: {row['note']}."
    if any(pd.isna(row[key]) for key in ("left", "right", "difference")):
        return f"`{row['expect']}` cannot be told: a value is missing."
    said = f"`{row['expect']}` {VERDICTS[row['verdict']]}: "
    said += f"{numbers.value(row['left'], metric)} against {numbers.value(row['right'], metric)}"
    said += f", a difference of {numbers.difference(row['difference'], metric)}{numbers.unit(metric)}"
    interval = numbers.interval(row["low"], row["high"], metric, signed=True)
    said = f"{said} (95 % interval {interval})" if interval else f"{said}, without an interval"
    decides = row.get("decides")
    return f"{said}; it {decides}." if isinstance(decides, str) and decides else f"{said}."


def _trends(folder: Path) -> list[str]:
    """A sentence a slope whose interval leaves 0 out; one for those that do not."""
    path = folder / study_files.TRENDS
    rows = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    said, unclear = [], []
    for _, row in rows.iterrows():
        name = f"{row['metric']} ({row['line']})"
        if row["low"] <= 0 <= row["high"]:
            unclear.append(name)
            continue
        metric = str(row["metric"])
        bounds = f"95 % interval {numbers.interval(row['low'], row['high'], metric, signed=True)}"
        slope = f"{numbers.difference(row['per_doubling'], metric)}{numbers.unit(metric)}"
        said.append(f"Each doubling of {row['along']} changes {name} by {slope} ({bounds}).")
    if unclear:
        said.append(f"No slope that can be told from none along {rows['along'].iloc[0]}: {', '.join(unclear)}.")
    return said


def _missing(folder: Path) -> str:
    path = folder / study_files.TABLE
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    if "status" not in table.columns:
        return ""
    missing = table[(table["status"] != "finished") & ~table["status"].str.startswith("not run")]
    names = ", ".join(_unfinished(row) for _, row in missing.iterrows())
    return f"Not finished, and so not counted: {names}." if names else ""


def _unfinished(row: Any) -> str:
    reason = row.get("reason")
    why = f", failed: {reason}" if isinstance(reason, str) and reason else ""
    return f"{row['variant']} (seed {row['seed']}{why})"


def _mixed(folder: Path) -> str:
    """Whether rows of the table were made by different code."""
    path = folder / study_files.TABLE
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    if "fingerprints" not in table.columns:
        return ""
    stages: dict[str, set[str]] = {}
    for prints in table["fingerprints"].dropna():
        for role, each in json.loads(prints).items():
            stages.setdefault(stage_of(role), set()).add(each)
    mixed = [stage for stage, each in stages.items() if len(each) > 1]
    return f"Rows of this table were made by different code ({', '.join(mixed)}); run it again." if mixed else ""


def _intervals(plan: dict[str, Any], verdicts: pd.DataFrame) -> str:
    """What the intervals hold, and what they do not."""
    gap = verdicts["metric"].astype(str).str.startswith("nmi/")
    notes = verdicts.loc[~gap & (verdicts["replicates"] > 0), "note"].dropna().astype(str)
    seeds = sorted({row["seed"] for row in plan["rows"]})
    said = f"Replicates: {len(seeds)} ({', '.join(map(str, seeds))}); "
    said += notes.iloc[0].split("; missing")[0] if len(notes) else "no comparison of variants"
    said = f"{said}."
    if gap.any():
        said += " Intervals of NMI hold the draw of sentences on both sides, for one text encoder."
    if len(verdicts):
        lines = int(verdicts["lines"].max())
        said += f" Outcomes are corrected for the {lines} distinct lines of the experiment (Holm); intervals are not."
    late = verdicts.loc[verdicts["stated"] == registered.AFTER, "expect"]
    return f"{said} Stated after results were there: {', '.join(f'`{line}`' for line in late)}." if len(late) else said


def _caution(folder: Path) -> str:
    if generated(folder):
        return "All of this is measured in a small generated world; its numbers are not comparable with the paper's."
    return "Numbers are comparable with published ones only where data, splits and protocol are the same."
