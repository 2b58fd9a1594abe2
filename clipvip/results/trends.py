"""Where a study is a scale: the straight line through its variants, by doubling, with its interval.

The slope is a weighted sum of variants, so its interval is of the model that serves every comparison.
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from clipvip.config.claims import Metric
from clipvip.results import notes
from clipvip.results.experiment import Experiment
from clipvip.results.study_results import Study

COLUMNS = ["line", "along", "metric", "variants", "per_doubling", "low", "high", "p", "replicates", "note"]
SCORES = ("R@1", "R@5", "log2R")


def trends(experiment: Experiment, study: Study) -> pd.DataFrame:
    """A row a line and metric; a line of which fewer than three variants are finished has none."""
    asked, rows = study.plan.get("trend") or {"along": "", "lines": {}}, []
    for line, variants in asked["lines"].items():
        for name in study.downstream:
            for score in SCORES:
                metric = Metric(name, "fine_tuned", "t2v", score)
                found = _row(experiment, study, asked["along"], variants, metric)
                if found is not None:
                    rows.append({"line": line, **found})
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    experiment: Experiment, study: Study, along: str, variants: list[str], metric: Metric
) -> dict[str, Any] | None:
    places = [_place(study, variant, along) for variant in variants]
    if len(variants) < 3 or None in places:
        return None
    weights = slope_weights(np.log2(np.array(places, dtype=np.float64))).tolist()
    compared = experiment.compare(study, dict(zip(variants, weights, strict=True)), metric)
    if compared is None:
        return None
    found, interval = compared.estimate, compared.estimate.interval()
    bounds = {"per_doubling": interval.estimate, "low": interval.low, "high": interval.high, "p": found.p()}
    bounds |= {"replicates": compared.replicates}
    note = notes.coverage(experiment, study, one_run=found.unknown)
    return {"along": along, "metric": metric.name, "variants": " ".join(variants), **bounds, "note": note}


def slope_weights(places: Float[np.ndarray, " place"]) -> Float[np.ndarray, " place"]:
    """Weights whose product with values at these places is the slope of their least-squares line."""
    centred = places - places.mean()
    return np.asarray(centred / (centred**2).sum())


def _place(study: Study, variant: str, along: str) -> float | None:
    """Where a variant lies: clips it was post-pretrained on, or proxies of its model."""
    row = next(row for row in study.plan["rows"] if row["variant"] == variant)
    cell = study.cells.get(row["cells"].get("pretrain") or "")
    if cell is None:
        return None
    return float(cell.receipt["clips"] if along == "clips" else cell.settings["model"]["num_proxies"])
