"""The noise of training, pooled over the variants of a class: how far one run's mean lies from another's.

A class is what varies alike: variants with and without post-pretraining, on one metric of one set. Each variant with k
runs gives k - 1 degrees of freedom. Runs differ by no less than what they change in single queries, which is known far
better than the variance of a few means: a smaller estimate is raised to it. A row whose variance is too large for its
pool (the largest ratio against Fisher's F, corrected for the number of rows, one row after the other) is named and
keeps a variance of its own, moderated by one degree of freedom of the pool's: two runs alone would give intervals as
wide as the scale, and simulated coverage is the same. A noise study, that is the pool of another experiment, adds its
degrees of freedom unless it contradicts the pool.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import fdtrc

from clipvip.results import study_files
from clipvip.results.variance import RunNoise
from clipvip.runtime.files import written

PRETRAINED, PLAIN = "post-pretrained", "not post-pretrained"
COLUMNS = ["metric", "kind", "variance", "df", "interaction", "queries", "rows", "outlying"]
OUTLYING = 0.05  # error rate, for all rows of a pool, of naming one that is none
MODERATES = 1.0
CONTRADICTS = 0.01  # of a noise study against the pool


class Row(NamedTuple):
    """One variant: the means of its runs, and the variance of one run's mean from single queries (NaN: one run)."""

    name: str
    means: Float[np.ndarray, " run"]
    interaction: float = math.nan

    @property
    def df(self) -> int:
        """Degrees of freedom of its variance."""
        return len(self.means) - 1

    @property
    def variance(self) -> float:
        """Of its runs' means; NaN for one run."""
        return float(np.var(self.means, ddof=1)) if self.df > 0 else math.nan


@dataclass(frozen=True)
class Pool:
    """The noise of a class, and of its outlying rows, which have their own."""

    common: RunNoise | None  # None: no variant has two runs, and no noise study is given
    own: Mapping[str, RunNoise]
    refused: bool = False  # a noise study was given and contradicts these runs

    def of(self, name: str) -> RunNoise | None:
        """The noise of a row, by name; one run borrows that of its class."""
        return self.own.get(name, self.common)


def pool(kind: str, rows: Sequence[Row], study: RunNoise | None = None) -> Pool:
    """The rows of one class, metric and set, with the noise study of the same if there is one."""
    repeated = [row for row in rows if row.df > 0]
    outlying = outliers(repeated)
    kept = [row for row in repeated if row.name not in outlying]
    found = _joined(kind, kept)
    own = {row.name: _moderated(row, found) for row in repeated if row.name in outlying}
    refused = study is not None and found is not None and contradicts(found, study)
    if study is not None and not refused:
        found = study if found is None else _with_study(found, study)
    return Pool(found, own, refused)


def outliers(rows: Sequence[Row]) -> list[str]:
    """Rows whose variance is too large for the rest, the largest first; at least two others must remain."""
    left, found = [(row, row.variance) for row in rows], []
    while len(left) > 2:
        ratios = [_tail(left[place], left[:place] + left[place + 1 :]) for place in range(len(left))]
        least = int(np.argmin(ratios))
        if ratios[least] * len(left) >= OUTLYING:
            break
        found.append(left.pop(least)[0].name)
    return found


def contradicts(found: RunNoise, study: RunNoise) -> bool:
    """Whether two variances differ by more than chance (F, two-sided)."""
    if found.variance == 0 or study.variance == 0 or math.isinf(found.df + study.df):
        return found.variance != study.variance and math.isfinite(found.df) and found.df > 5
    ratio = found.variance / study.variance
    above = float(fdtrc(found.df, study.df, ratio))
    return 2 * min(above, 1 - above) < CONTRADICTS


def content(path: Path) -> str:
    """Digest of a noise study's file; ValueError where there is none."""
    file = _file(path)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _file(path: Path) -> Path:
    file = path / study_files.NOISE if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{file}: no such file; `noise` names the {study_files.NOISE} of a finished experiment")
    return file


def read(path: Path, num_queries: Mapping[str, int]) -> dict[tuple[str, str], RunNoise]:
    """A noise study: (metric, class) -> noise, for as many queries as the metric has here.

    `path` is noise.csv as `write` makes it, json of the same columns, or the folder of an experiment
    (results/<experiment>). ValueError: no such file, or a column lacks.
    """
    path = _file(path)
    rows = pd.read_json(path) if path.suffix == ".json" else pd.read_csv(path)
    lacking = [name for name in COLUMNS[:6] if name not in rows.columns]
    if lacking:
        raise ValueError(f"{path}: no column {lacking[0]}; it must have {', '.join(COLUMNS[:6])}")
    found = {}
    for row in rows.to_dict("records"):
        metric, kind = str(row["metric"]), str(row["kind"])
        variance, df, within = float(row["variance"]), float(row["df"]), float(row["interaction"])
        if not (variance >= 0 and df > 0 and within >= 0):
            raise ValueError(f"{path}: {metric}, {kind}: variance, df and interaction must not be negative or missing")
        more = int(row["queries"]) / num_queries.get(metric, int(row["queries"]))
        scaled = max(0.0, variance - within) + within * more
        found[metric, kind] = RunNoise(kind, scaled, df, within * more, int(row.get("rows", 1)))
    return found


def write(rows: Iterable[tuple[str, str, Pool, int]], path: Path) -> None:
    """One line a metric and class that has noise; each of `rows` is metric, class, pool and number of queries."""
    lines = []
    for metric, kind, each, queries in rows:
        if (common := each.common) is not None:
            figures = (common.variance, common.df, common.interaction, queries, common.rows)
            lines.append((metric, kind, *figures, " ".join(each.own)))
    with written(path) as beside:
        pd.DataFrame(lines, columns=COLUMNS).to_csv(beside, index=False, float_format="%.10g")


def _within(row: Row) -> float:
    return 0.0 if math.isnan(row.interaction) else row.interaction


def _joined(kind: str, rows: Sequence[Row]) -> RunNoise | None:
    df = sum(row.df for row in rows)
    if df == 0:
        return None
    variance = sum(row.df * row.variance for row in rows) / df
    within = sum(row.df * _within(row) for row in rows) / df
    return RunNoise(kind, max(variance, within), float(df), within, len(rows))


def _moderated(row: Row, common: RunNoise | None) -> RunNoise:
    """The noise of an outlying row, with MODERATES degrees of freedom of its class."""
    assert common is not None, "two others remain"
    df = row.df + MODERATES
    variance = (row.df * row.variance + MODERATES * common.variance) / df
    return RunNoise(row.name, max(variance, _within(row)), df, _within(row))


def _with_study(found: RunNoise, study: RunNoise) -> RunNoise:
    df = found.df + study.df
    variance = (found.df * found.variance + study.df * study.variance) / df
    within = (found.df * found.interaction + study.df * study.interaction) / df
    return RunNoise(found.name, variance, df, within, found.rows + study.rows)


def _tail(own: tuple[Row, float], others: Sequence[tuple[Row, float]]) -> float:
    """p of a variance as large as this row's beside the others'; each with its variance."""
    row, variance = own
    df = sum(other.df for other, _ in others)
    rest = sum(other.df * each for other, each in others) / df
    if rest == 0:
        return 1.0 if variance == 0 or df < 3 else 0.0
    return float(fdtrc(row.df, df, variance / rest))
