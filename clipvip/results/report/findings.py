"""What a study found, in words that follow from its verdicts and never say more than its tests."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.registry import stage_of
from clipvip.results import numbers, outcomes, registered, study_files
from clipvip.results.finished import generated, read_plan

LEAD = {
    outcomes.YES: "Seen",
    outcomes.NO: "The contrary is seen",
    outcomes.SAME: "No difference that matters",
    outcomes.OPEN: "Cannot be told",
    outcomes.ONE_RUN: "Cannot be told from one run",
    outcomes.NOT_RUN: "Not run",
}


def findings(folder: Path) -> str:
    """What the study in this folder found, as one paragraph with its caution. ValueError where verdicts.csv holds a
    verdict of another name."""
    return " ".join([*sentences(folder), _caution(folder)])


def sentences(folder: Path) -> list[str]:
    """The same as short sentences, without the caution: what is seen and what not, slopes, what the numbers rest on."""
    plan, verdicts = read_plan(folder), _verdicts(folder)
    found = [_overall(verdicts)] if len(verdicts) else []
    for outcome, lead in LEAD.items():
        own = verdicts[verdicts["verdict"] == outcome]
        found += [f"{lead}: {_lines(own)}."] if len(own) else []
    found += [*_trends(folder), _missing(folder), _mixed(folder), _intervals(plan, verdicts)]
    return [part for part in found if part]


def _verdicts(folder: Path) -> pd.DataFrame:
    path = folder / study_files.VERDICTS
    if not path.is_file():
        raise ValueError(f"{path}: no such file; write the study's tables first (target ablate_{folder.name})")
    verdicts = pd.read_csv(path)
    unknown = sorted(set(verdicts["verdict"].astype(str)) - set(LEAD))
    if unknown:
        raise ValueError(f"{path}: verdict {unknown[0]!r} is none of {', '.join(LEAD)}")
    return verdicts


def _overall(verdicts: pd.DataFrame) -> str:
    count = len(verdicts)
    told = (outcomes.YES, outcomes.NO, outcomes.SAME, outcomes.NOT_RUN)
    held, against, same, lacking = (int((verdicts["verdict"] == name).sum()) for name in told)
    parts = [
        (held, "appear" if held != 1 else "appears"),
        (against, "contradicted"),
        (same, "too small to matter"),
        (count - held - against - same - lacking, "not to be told"),
        (lacking, "not run for want of data"),
    ]
    said = ", ".join(f"{number} {words}" for number, words in parts if number)
    return f"Of {count} expected difference{'s' * (count != 1)}: {said}."


def _lines(rows: pd.DataFrame) -> str:
    """Expectations with their differences, and what would decide them: once where it is the same for all; those without
    a value are counted where they are several."""
    bare = rows["difference"].isna() & (rows["verdict"] != outcomes.NOT_RUN)
    if bare.sum() > 1:
        said = f"{bare.sum()} lines whose cells are missing"
        return said if bare.all() else f"{_lines(rows[~bare])}; {said}"
    decides = ["" if pd.isna(each) else str(each) for each in rows["decides"]]
    if len(rows) > 1 and len(set(decides)) == 1:
        return "; ".join(_line(row) for _, row in rows.iterrows()) + f"; each {decides[0]}" * bool(decides[0])
    parts = [f"{_line(row)} {what}".rstrip() for (_, row), what in zip(rows.iterrows(), decides, strict=True)]
    return "; ".join(parts)


def _line(row: Any) -> str:
    """One expectation with its difference (left minus right) and interval."""
    metric = str(row["metric"])
    if row["verdict"] == outcomes.NOT_RUN:
        return f"`{row['expect']}` ({row['note']})"
    if pd.isna(row["difference"]):
        return f"`{row['expect']}` (a value is missing)"
    said = f"`{row['expect']}` ({numbers.difference(row['difference'], metric)}{numbers.unit(metric)}"
    interval = numbers.interval(row["low"], row["high"], metric, signed=True)
    return f"{said}, {interval})" if interval else f"{said}, without an interval)"


def _trends(folder: Path) -> list[str]:
    """A sentence a line of the trend: the slopes whose interval leaves 0 out, and how many do not."""
    path = folder / study_files.TRENDS
    rows = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    if rows.empty:
        return []
    clear = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    found = [
        f"Each doubling of {along} of {line}: {'; '.join(_slope(row) for _, row in own.iterrows())}."
        for (along, line), own in clear.groupby(["along", "line"], sort=False)
    ]
    if unclear := len(rows) - len(clear):
        found.append(f"Of {len(rows)} slopes along {rows['along'].iloc[0]}, {unclear} cannot be told from none.")
    return found


def _slope(row: Any) -> str:
    metric = str(row["metric"])
    bounds = numbers.interval(row["low"], row["high"], metric, signed=True)
    return f"{metric} {numbers.difference(row['per_doubling'], metric)}{numbers.unit(metric)} ({bounds})"


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
