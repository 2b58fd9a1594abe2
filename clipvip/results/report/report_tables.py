"""The tables of a study as the report page shows them: caption, heads, rows of cells with intervals."""

from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.results import study_files
from clipvip.results.study_folder import main_metrics

Table = dict[str, Any]


def verdicts(folder: Path) -> Table:
    rows = [
        [
            row["expect"],
            {"text": row["verdict"]},
            {"text": _number(row["left"])},
            {"text": _number(row["right"])},
            {"text": _number(row["difference"], "+"), "interval": _interval(row["low"], row["high"])},
            {"text": "" if pd.isna(row["note"]) else row["note"]},
        ]
        for _, row in pd.read_csv(folder / study_files.VERDICTS).iterrows()
    ]
    heads = ["expected", "verdict", "left", "right", "difference (95 % interval)", "note"]
    return {"caption": "What the paper leads one to expect, tested", "heads": heads, "rows": rows}


def summary(folder: Path) -> Table:
    summary, metrics = pd.read_csv(folder / study_files.SUMMARY), main_metrics(folder)
    rows = [
        [
            row["variant"],
            *(
                {"text": _number(row[m]), "interval": _interval(row.get(f"{m}/low"), row.get(f"{m}/high"))}
                for m in metrics
            ),
        ]
        for _, row in summary.iterrows()
    ]
    caption = "Mean over seeds with 95 % interval; recall and order in percent, fine-tuned unless zero-shot is said"
    return {"caption": caption, "heads": ["variant", *metrics], "rows": rows}


def gap(folder: Path) -> Table:
    rows = [
        [
            f"{row['source']} against {row['downstream']}",
            {"text": _number(row["nmi"]), "interval": _interval(row["low"], row["high"])},
        ]
        for _, row in pd.read_csv(folder / study_files.GAP).iterrows()
    ]
    return {"caption": "Language domain gap: NMI, 0 (alike) to 1 (apart)", "heads": ["texts", "NMI"], "rows": rows}


def language(folder: Path) -> Table:
    """Statistics of each source and set, and which share of each set's words the source has."""
    given = pd.read_csv(folder / study_files.LANGUAGE)
    covered = [name for name in given.columns if name.startswith("covers/")]
    columns = {"mean_words": "words", "sd_words": "sd", "vocabulary": "distinct words", "type_token": "distinct a word"}
    columns |= {"naming": "names its scene"} if "naming" in given else {}
    columns |= {name: name.replace("covers/", "words of ") for name in covered}
    rows = [
        [f"{row['source']} ({row['kind']})", *({"text": _number(row[name])} for name in columns)]
        for _, row in given.iterrows()
    ]
    caption = f"How each reads, {given['sentences'].iloc[0]} sentences each; shares from 0 to 1"
    return {"caption": caption, "heads": ["texts", *columns.values()], "rows": rows}


def trends(folder: Path) -> Table:
    rows = [
        [
            f"{row['line']}: {row['metric']}",
            {"text": row["variants"]},
            {"text": _number(row["per_doubling"], "+"), "interval": _interval(row["low"], row["high"])},
        ]
        for _, row in pd.read_csv(folder / study_files.TRENDS).iterrows()
    ]
    caption = "Slope of a straight line, points for each doubling"
    return {"caption": caption, "heads": ["line", "variants", "per doubling"], "rows": rows}


def published(folder: Path) -> Table:
    given = pd.read_csv(folder / study_files.PUBLISHED)
    ours = pd.read_csv(folder / study_files.SUMMARY).set_index("variant")
    rows = []
    for _, row in given.iterrows():
        known = row["variant"] in ours.index and row["metric"] in ours
        own = ours.loc[row["variant"], row["metric"]] if known else None
        kind = "transductive" if row["transductive"] else ""
        cells = [row["metric"], kind, _number(row["published"]), _number(own), f"{row['source']} ({row['standing']})"]
        rows.append([row["model"], *({"text": cell} for cell in cells)])
    heads = ["model", "metric", "", "published", "here", "read in"]
    return {"caption": "Figures that papers give, percent; never ours", "heads": heads, "rows": rows}


def _number(value: Any, sign: str = "") -> str:
    """Percent and points with one digit, what is below 1 with three; a dash for what is not there."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:{sign}.{3 if abs(value) < 1 and value != 0 else 1}f}"


def _interval(low: Any, high: Any) -> str:
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return ""
    return f"{_number(low)} to {_number(high)}"


# table of a study folder -> how it is shown, and the key of the plan that says a study has it ("": each has)
TABLES = {
    study_files.VERDICTS: (verdicts, ""),
    study_files.SUMMARY: (summary, ""),
    study_files.GAP: (gap, "gap"),
    study_files.LANGUAGE: (language, "gap"),
    study_files.TRENDS: (trends, "trend"),
    study_files.PUBLISHED: (published, "published"),
}
