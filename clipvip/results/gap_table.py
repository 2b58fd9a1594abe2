"""The language domain gap of a study as a table: NMI, AMI and MMD of every source against every set, with intervals."""

import numpy as np
import pandas as pd

from clipvip.results import repeated_draws
from clipvip.results.repeated_draws import Crossed
from clipvip.results.study_results import Study

MEASURES = ("nmi", "ami", "mmd")
GAP = [
    "source",
    "downstream",
    "nmi",
    "low",
    "high",
    "ami",
    "ami_low",
    "ami_high",
    "mmd",
    "mmd_low",
    "mmd_high",
    "mmd_p",
]
GAP += ["repeats", "sentences"]


def gap(study: Study) -> pd.DataFrame:
    """Mean of every measure, source and set, with the interval that its draws of sentences leave."""
    rows = []
    for (source, downstream), each in study.nmi.groupby(["source", "downstream"], sort=False):
        row: list[object] = [source, downstream]
        for measure in MEASURES:
            row += repeated_draws.positive_interval(crossed(each, measure), shares(each))
        rows.append([*row, each["mmd_p"].iloc[0], each["repeat"].nunique(), each["sentences"].iloc[0]])
    return pd.DataFrame(rows, columns=GAP)


def crossed(rows: pd.DataFrame, measure: str = "nmi") -> Crossed:
    """The measure of every repeat, draw of the source and draw of the set."""
    ordered = rows.sort_values(["repeat", "source_draw", "downstream_draw"])
    return ordered[measure].to_numpy(np.float64).reshape(-1, 2, 2)


def shares(rows: pd.DataFrame) -> tuple[float, float]:
    """How much of the source, and of the set, a draw takes."""
    return float(rows["share_source"].iloc[0]), float(rows["share_downstream"].iloc[0])
