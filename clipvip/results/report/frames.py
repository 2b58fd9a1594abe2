"""The tables of a study folder as a notebook shows them: every number as text, with its interval."""

from pathlib import Path

import pandas as pd

from clipvip.results import numbers, study_files
from clipvip.results.study_folder import main_metrics, read
from clipvip.runtime.files import write_whole

NOT_NUMBERS = ("source", "kind")  # columns of language.csv


def summary(folder: Path) -> pd.DataFrame:
    """A row a variant: the metrics a reader wants first, mean over replicates with 95 % interval."""
    rows, metrics = read(folder, study_files.SUMMARY), main_metrics(folder)
    shown = [[numbers.of_row(row, metric) for metric in metrics] for _, row in rows.iterrows()]
    return pd.DataFrame(shown, index=pd.Index(rows["variant"], name="variant"), columns=metrics)


def verdicts(folder: Path) -> pd.DataFrame:
    """A row an expectation: the verdict, both values, and their difference with its interval."""
    rows = [
        {
            "expect": row["expect"],
            "verdict": row["verdict"],
            "left": numbers.value(row["left"], str(row["metric"])),
            "right": numbers.value(row["right"], str(row["metric"])),
            "difference (95 % interval)": numbers.difference_of(row),
            "margin": numbers.margin(row["margin"]),
            "what would decide": "" if pd.isna(row["decides"]) else row["decides"],
            "on mean log2 rank": "" if pd.isna(row["log2R/verdict"]) else row["log2R/verdict"],
            "note": "" if pd.isna(row["note"]) else row["note"],
        }
        for _, row in read(folder, study_files.VERDICTS).iterrows()
    ]
    return pd.DataFrame(rows)


def save(folder: Path) -> None:
    """The verdicts and scores of the study folder as one plain HTML file beside them, for `snakemake --report`."""
    tables = [
        ("Claims", verdicts(folder), False),
        ("Scores: mean over replicates, 95 % interval", summary(folder), True),
    ]
    with pd.option_context("display.max_colwidth", None):
        parts = [f"<h2>{title}</h2>\n{table.to_html(index=index)}" for title, table, index in tables if len(table)]
    look = (
        "body { font: 15px system-ui, sans-serif } table { border-collapse: collapse } td, th { padding: .2rem .5rem }"
    )
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{folder.name}</title>'
    head += f"\n<style>{look}</style>"
    write_whole(
        folder / study_files.TABLES_PAGE, "\n".join([head, f"<h1>{folder.name}</h1>", *parts, "</html>"]) + "\n"
    )


def gap(folder: Path, measure: str = "nmi") -> pd.DataFrame:
    """Language sources down, downstream sets across: NMI ("nmi"), "ami" or "mmd" with its interval, or "mmd_p"."""
    rows, prefix = read(folder, study_files.GAP), "" if measure == "nmi" else f"{measure}_"
    low, high = f"{prefix}low", f"{prefix}high"  # a p has none
    said = [numbers.with_interval(row[measure], row.get(low), row.get(high), measure) for _, row in rows.iterrows()]
    return rows.assign(said=said).pivot_table(index="source", columns="downstream", values="said", aggfunc="first")


def language(folder: Path) -> pd.DataFrame:
    """How each source and set reads."""
    rows = read(folder, study_files.LANGUAGE)
    names = [str(name) for name in rows if name not in NOT_NUMBERS]
    return rows.assign(**{name: [numbers.value(each, name) for each in rows[name]] for name in names})
