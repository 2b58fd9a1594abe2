"""What stands in a study's folder: its tables, and the metrics a reader wants first."""

from pathlib import Path

import pandas as pd

from clipvip.results import study_files
from clipvip.results.finished import read_plan


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table of a study folder; ValueError where it is not there."""
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{path}: no such file; write the study's tables first (target ablate_{folder.name})")
    return pd.read_csv(path)


def expected_metrics(folder: Path) -> list[str]:
    """The metrics that the study's expectations name, in their order, each once; NMI left out."""
    named = [line.rsplit(" on ", 1)[-1].strip() for line in read_plan(folder)["expect"]]
    return [metric for metric in dict.fromkeys(named) if not metric.startswith("nmi/")]


def dot_metrics(folder: Path) -> list[str]:
    """The metrics a dot figure shows: what the expectations name, then R@5, order and log2R of every set."""
    columns, wanted = list(read(folder, study_files.SUMMARY).columns), expected_metrics(folder)
    for end in ("t2v/R@5", "order", "t2v/log2R"):
        wanted += [f"{name}/{end}" for name in read_plan(folder)["downstream"]]
    return [metric for metric in dict.fromkeys(wanted) if metric in columns]


def main_metrics(folder: Path) -> list[str]:
    """The columns a reader wants first: what the expectations name, then recall, log2 rank and order, set by set."""
    columns = list(read(folder, study_files.SUMMARY).columns)
    wanted = expected_metrics(folder)
    sets = read_plan(folder)["downstream"]
    ends = ["t2v/R@1", "t2v/R@5", "t2v/R@10", "t2v/log2R", "order"]
    if len(sets) <= 2:  # more would not fit a page
        ends += ["zero_shot/t2v/R@5", "zero_shot/order"]
    wanted += [f"{name}/{end}" for name in sets for end in ends]
    return [metric for metric in dict.fromkeys(wanted) if metric in columns]
