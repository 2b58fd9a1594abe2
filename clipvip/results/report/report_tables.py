"""The tables of a study as the report page shows them: caption, heads, rows of cells with intervals."""

from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.claims import CO_PRIMARY
from clipvip.results import numbers, study_files
from clipvip.results.finished import read_plan
from clipvip.results.study_folder import main_metrics

Table = dict[str, Any]


def verdicts(folder: Path) -> Table:
    """Claim x outcome: what a reader wants first."""
    rows = [
        [
            row["expect"],
            {"text": row["verdict"]},
            _difference(row, "difference"),
            {"text": f"{row['margin']:g}"},
            {"text": _text(row["decides"])},
            {"text": "" if pd.isna(row["chance"]) else f"{100 * row['chance']:.0f} %"},
            _co_primary(row),
            {"text": row["stated"]},
            {"text": _text(row["note"])},
        ]
        for _, row in pd.read_csv(folder / study_files.VERDICTS).iterrows()
    ]
    heads = ["claim", "outcome", "difference (95 % interval)", "margin", "what would decide", "holds in a new run"]
    heads += ["mean log2 rank", "stated", "note"]
    caption = "What the paper leads one to expect, tested" if read_plan(folder).get("claim") else "Expected, and tested"
    return {"caption": caption, "heads": heads, "rows": rows}


def _co_primary(row: Any) -> dict[str, str]:
    """Outcome on the co-primary metric, with its difference; empty where the line has none."""
    if not _text(row[f"{CO_PRIMARY}/verdict"]):
        return _cell("", "")
    low, high, value = (row[f"{CO_PRIMARY}/{name}"] for name in ("low", "high", "difference"))
    said = numbers.with_interval(value, low, high, CO_PRIMARY, signed=True)
    return _cell(row[f"{CO_PRIMARY}/verdict"], said)


def detectable(folder: Path) -> Table:
    """The difference a line would show with 80 % power, by replicates; the last column is the floor."""
    given = pd.read_csv(folder / study_files.DETECTABLE)
    rows, replicates = [], sorted(given["replicates"].unique())
    for (line, metric, times), own in given.groupby(["expect", "metric", "queries"], sort=False):
        values = own.set_index("replicates")["detectable"]
        cells = [{"text": numbers.value(values.get(each), str(metric))} for each in replicates]
        rows.append([f"{line} ({str(metric).rsplit('/', 1)[-1]}), {times:g} x queries", *cells])
    heads = ["line", *("no end" if each == float("inf") else f"{each:g}" for each in replicates)]
    return {"caption": "Detectable difference at 80 % power, by replicates", "heads": heads, "rows": rows}


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


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
    caption = (
        "Mean over replicates with 95 % interval; recall and order in percent, fine-tuned unless zero-shot is said"
    )
    caption += f". {summary['note'].iloc[0]}" if len(summary) and "note" in summary else ""
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
    each = f", {given['sentences'].iloc[0]} sentences each" if rows else ""  # none where the gap is not made yet
    caption = f"How each reads{each}; shares from 0 to 1"
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
    rows = []
    for _, row in given.iterrows():
        kind = "transductive" if row["transductive"] else ""
        known = [numbers.value(row[name], row["metric"]) for name in ("published", "here")]
        cells = [{"text": cell} for cell in ("" if pd.isna(row["variant"]) else row["variant"], row["metric"], kind)]
        cells += [{"text": cell} for cell in known] + [_difference(row, "distance")]
        rows.append([row["model"], *cells, {"text": f"{row['source']} ({row['standing']})"}])
    heads = ["model", "our variant", "metric", "", "published", "here", "here - published (95 % interval)", "read in"]
    caption = "Figures that papers give, percent; never ours, and taken as exact: the interval is that of our figure"
    return {"caption": caption, "heads": heads, "rows": rows}


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
    study_files.DETECTABLE: (detectable, ""),
}
