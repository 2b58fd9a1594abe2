"""Slopes along a scale: against a line fitted to the table, and an interval that moves with the queries."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_cells import CLUSTERS, cell, evaluation, places, plan_of

from clipvip.config.claims import Metric
from clipvip.results import tables, trends
from clipvip.results.experiment import Experiment
from clipvip.results.variance import Term, estimate

CLIPS = {"small": 500, "middle": 2000, "large": 12000}
SHIFTS = {"small": 2.0, "middle": 1.2, "large": 0.7}


def scaled(root: Path, seeds: tuple[int, ...]) -> dict[str, Any]:
    plan, rows = plan_of(root, seeds), []
    for variant, clips in CLIPS.items():
        for seed in seeds:
            pre, fine = f"pre-{variant}-{seed}", f"scale-{variant}-{seed}"
            if variant == "middle":
                cell(root, "pretrain", pre)
            path = root / "cells" / "pretrain" / pre / "receipt.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "clips": clips}))
            evaluation(root, fine, places(50 + seed, SHIFTS[variant]))
            rows.append({"variant": variant, "seed": seed, "cells": {"pretrain": pre, "fine_tuned/msrvtt": fine}})
    trend = {"along": "clips", "lines": {"all": list(CLIPS), "two": ["small", "large"]}}
    return plan | {"rows": rows, "trend": trend, "baseline": "small"}


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_the_slope_is_that_of_a_line_through_the_table(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    experiment = Experiment([scaled(tmp_path, seeds)])
    study = experiment.studies["data_scale"]
    found = trends.trends(experiment, study).set_index("metric")
    assert set(found["line"]) == {"all"}  # two variants are no line
    row, doublings = found.loc["msrvtt/t2v/R@5"], np.log2(list(CLIPS.values()))
    scores = {v: [np.where(places(50 + s, SHIFTS[v]) <= 5, 100.0, 0.0) for s in seeds] for v in CLIPS}
    means = [np.mean([each.mean() for each in scores[v]]) for v in CLIPS]
    assert row["per_doubling"] == pytest.approx(np.polyfit(doublings, means, 1)[0])
    noise = experiment.noise_of(study, "small", Metric("msrvtt", "fine_tuned", "t2v", "R@5"))
    weights = trends.slope_weights(doublings)
    terms = [
        Term(float(weight), {f"{v}-{i}": each for i, each in enumerate(scores[v])}, noise)
        for v, weight in zip(CLIPS, weights, strict=True)
    ]
    assert [row["low"], row["high"]] == pytest.approx(list(estimate(terms, CLUSTERS).interval()[1:]))
    assert np.isnan(row["p"]) == (len(seeds) == 1)
    assert row["replicates"] == len(seeds)


def test_a_line_with_a_cell_missing_has_no_slope(tmp_path: Path) -> None:
    plan = scaled(tmp_path, (0,))
    (tmp_path / "cells/evaluate/scale-middle-0/receipt.json").unlink()
    (tmp_path / "out").mkdir()
    tables.make(plan, tmp_path / "out")
    assert (tmp_path / "out/trends.csv").read_text().strip() == ",".join(trends.COLUMNS)
