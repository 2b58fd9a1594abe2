"""Tables of the studies of study_cells.py, their recalls and the noise of their training, by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from study_cells import CLUSTERS, Places, places

from clipvip.results import tables
from clipvip.results.variance import RunNoise, interaction


def make(plan: dict[str, Any], out: Path) -> dict[str, pd.DataFrame]:
    out.mkdir(exist_ok=True)
    tables.make(plan, out)
    return {path.stem: pd.read_csv(path) for path in sorted(out.glob("*.csv"))}


def recalls(seed: int, shift: float, k: int) -> Places:
    return np.where(places(seed, shift) <= k, 100.0, 0.0)


def noise(seeds: int, recall: int = 5, shifts: tuple[float, ...] = (2.0, 0.7)) -> RunNoise:
    """Of fine-tuned variants with these shifts, pooled by hand."""
    rows = [[recalls(10 + s, shift, recall) for s in range(seeds)] for shift in shifts]
    variances = [np.var([each.mean() for each in row], ddof=1) for row in rows]
    within = float(np.mean([interaction(row, CLUSTERS) for row in rows]))
    return RunNoise("x", max(float(np.mean(variances)), within), float(len(rows) * (seeds - 1)), within, len(rows))
