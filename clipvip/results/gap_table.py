"""The language domain gap of a study as a table: NMI of every source against every set, with its interval."""

import numpy as np
import pandas as pd

from clipvip.results import repeated_draws
from clipvip.results.resampling import Values
from clipvip.results.study_results import Study

GAP = ["source", "downstream", "nmi", "low", "high", "repeats", "sentences"]


def gap(study: Study) -> pd.DataFrame:
    """Mean NMI of every source and set, with the interval that its draws of sentences leave."""
    rows = []
    for (source, downstream), each in study.nmi.groupby(["source", "downstream"], sort=False):
        values, *anew = draws(each)
        interval = repeated_draws.interval(values, anew)
        rows.append((source, downstream, *interval, len(each), each["sentences"].iloc[0]))
    return pd.DataFrame(rows, columns=GAP)


def draws(rows: pd.DataFrame) -> tuple[Values, repeated_draws.Anew, repeated_draws.Anew]:
    """NMI of every repeat, and with the source's, or the set's, sentences drawn anew."""
    nmi, source, downstream = (rows[name].to_numpy(np.float64) for name in ("nmi", "nmi_source", "nmi_downstream"))
    shares = [float(rows[name].iloc[0]) for name in ("share_source", "share_downstream")]
    return nmi, (source, shares[0]), (downstream, shares[1])
