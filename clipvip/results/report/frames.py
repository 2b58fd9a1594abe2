"""The tables of a study folder as a notebook shows them: every number as text, with its interval."""

from pathlib import Path

import pandas as pd

from clipvip.results import numbers, study_files
from clipvip.results.study_folder import main_metrics, read

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
