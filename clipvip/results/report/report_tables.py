"""The tables of a study as the report page shows them: caption, heads, rows of cells with intervals."""

from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.results import numbers, study_files
from clipvip.results.study_folder import main_metrics

Table = dict[str, Any]


def verdicts(folder: Path) -> Table:
    rows = [
        [
            row["expect"],
            {"text": row["verdict"]},
            {"text": numbers.value(row["left"], str(row["metric"]))},
            {"text": numbers.value(row["right"], str(row["metric"]))},
            _difference(row, "difference"),
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
                _cell(numbers.value(row[m], m), numbers.interval(row.get(f"{m}/low"), row.get(f"{m}/high"), m))
                for m in metrics
            ),
        ]
        for _, row in summary.iterrows()
    ]
    caption = "Mean over seeds with 95 % interval; recall and order in percent, log2R the mean log2 of the rank, "
    caption += "fine-tuned unless zero-shot is said"
    return {"caption": caption, "heads": ["variant", *metrics], "rows": rows}


def gap(folder: Path) -> Table:
    rows = [
        [
            f"{row['source']} against {row['downstream']}",
            _cell(numbers.value(row["nmi"], "nmi"), numbers.interval(row["low"], row["high"], "nmi")),
            *(
                _cell(numbers.value(row[m], m), numbers.interval(row[f"{m}_low"], row[f"{m}_high"], m))
                for m in ("ami", "mmd")
            ),
            {"text": numbers.value(row["mmd_p"], "mmd_p")},
        ]
        for _, row in pd.read_csv(folder / study_files.GAP).iterrows()
    ]
    caption = "Language domain gap: NMI and chance-adjusted AMI, 0 (alike) to 1 (apart); squared kernel MMD and its p"
    return {"caption": caption, "heads": ["texts", "NMI", "AMI", "MMD", "p of MMD"], "rows": rows}


def language(folder: Path) -> Table:
    """Statistics of each source and set, and which share of each set's words the source has."""
    given = pd.read_csv(folder / study_files.LANGUAGE)
    covered = [name for name in given.columns if name.startswith("covers/")]
    columns = {"mean_words": "words", "sd_words": "sd", "vocabulary": "distinct words", "type_token": "distinct a word"}
    columns |= {"naming": "names its scene"} if "naming" in given else {}
    columns |= {name: name.replace("covers/", "words of ") for name in covered}
    rows = [
        [f"{row['source']} ({row['kind']})", *({"text": numbers.value(row[name], name)} for name in columns)]
        for _, row in given.iterrows()
    ]
    caption = f"How each reads, {given['sentences'].iloc[0]} sentences each; shares from 0 to 1"
    return {"caption": caption, "heads": ["texts", *columns.values()], "rows": rows}


def trends(folder: Path) -> Table:
    rows = [
        [
            f"{row['line']}: {row['metric']}",
            {"text": row["variants"]},
            _difference(row, "per_doubling"),
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
        cells = [
            row["metric"],
            kind,
            *(numbers.value(each, row["metric"]) for each in (row["published"], own)),
            f"{row['source']} ({row['standing']})",
        ]
        rows.append([row["model"], *({"text": cell} for cell in cells)])
    heads = ["model", "metric", "", "published", "here", "read in"]
    return {"caption": "Figures that papers give, percent; never ours", "heads": heads, "rows": rows}


def _cell(text: str, interval: str) -> dict[str, str]:
    """A number, and its interval in brackets below it."""
    return {"text": text, "interval": f"({interval})" if interval else ""}


def _difference(row: Any, column: str) -> dict[str, str]:
    metric = str(row["metric"])
    return _cell(
        numbers.difference(row[column], metric), numbers.interval(row["low"], row["high"], metric, signed=True)
    )


# table of a study folder -> how it is shown, and the key of the plan that says a study has it ("": each has)
TABLES = {
    study_files.VERDICTS: (verdicts, ""),
    study_files.SUMMARY: (summary, ""),
    study_files.GAP: (gap, "gap"),
    study_files.LANGUAGE: (language, "gap"),
    study_files.TRENDS: (trends, "trend"),
    study_files.PUBLISHED: (published, "published"),
}
