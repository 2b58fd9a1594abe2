"""Where a study is a scale: the straight line through its variants, by doubling, with its interval.

The slope weighs each variant's score, so it is a mean over queries like any score: the same clusters are resampled,
and over seeds it holds training noise too.
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from clipvip.config.claims import Metric
from clipvip.results import intervals
from clipvip.results.study_results import Study, answers_of

COLUMNS = ["line", "along", "metric", "variants", "per_doubling", "low", "high", "seeds"]
SCORES = ("R@1", "R@5")


def trends(study: Study) -> pd.DataFrame:
    """A row a line and metric; a line of which fewer than three variants are finished has none."""
    asked, rows = study.plan.get("trend") or {"along": "", "lines": {}}, []
    for line, variants in asked["lines"].items():
        for name in study.downstream:
            for score in SCORES:
                found = _row(study, asked["along"], variants, Metric(name, "fine_tuned", "t2v", score))
                if found is not None:
                    rows.append({"line": line, **found})
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(study: Study, along: str, variants: list[str], metric: Metric) -> dict[str, Any] | None:
    by_seed = [study.evaluations(variant, metric) for variant in variants]
    seeds = sorted(set.intersection(*(set(each) for each in by_seed)))
    places = [_place(study, variant, along) for variant in variants]
    if not seeds or len(variants) < 3 or None in places:
        return None
    weights = slope_weights(np.log2(np.array(places, dtype=np.float64)))
    values, clusters = [], None
    for seed in seeds:
        answers = answers_of([each[seed] for each in by_seed], metric.direction)
        scores = np.stack([each.scores(metric.score) for each in answers])
        values.append(weights @ scores)
        clusters = answers[0].cluster
    assert clusters is not None
    interval = intervals.over_seeds(values, clusters)
    bounds = {"per_doubling": interval.estimate, "low": interval.low, "high": interval.high}
    return {"along": along, "metric": metric.name, "variants": " ".join(variants), **bounds, "seeds": len(seeds)}


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
