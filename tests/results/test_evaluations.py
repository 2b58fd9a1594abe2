"""Evaluations read back: scores under ties against the ranks module, and files that do not belong together."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from study_cells import NUM, cell, evaluation, places

from clipvip.evaluation import ranks
from clipvip.results.evaluations import read_evaluation


def test_metrics_of_other_ranks_are_refused(tmp_path: Path) -> None:
    folder = evaluation(tmp_path, "one", places(0, 0.5))
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(metrics | {"v2t/R@5": 49.1071}))
    with pytest.raises(ValueError, match=r"metrics.json: v2t/R@5 is 49.1071, but ranks.parquet gives"):
        read_evaluation(folder)


def test_scores_under_ties_equal_those_of_the_ranks_module(tmp_path: Path) -> None:
    best = np.random.default_rng(0).integers(1, 8, NUM).astype(float)
    worst = best + np.random.default_rng(1).integers(0, 6, NUM)
    folder = cell(tmp_path, "evaluate", "tied")
    each = ranks.Ranks(*(torch.tensor(x, dtype=torch.float64) for x in ((best + worst) / 2, best, worst)))
    metrics = {f"t2v/R@{k}": ranks.recall(each, k) for k in (1, 5, 10)}
    metrics |= {"t2v/MdR": ranks.median_rank(each), "t2v/MnR": ranks.mean_rank(each)}
    metrics["t2v/log2R"] = ranks.mean_log2_rank(each)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    names = {"query": [f"{i:03d}" for i in range(NUM)], "clip_id": "c", "cluster": "s", "direction": "t2v"}
    rows = pd.DataFrame({**names, "rank": (best + worst) / 2, "best": best, "worst": worst})
    rows.to_parquet(folder / "ranks.parquet")
    answers = read_evaluation(folder).answers["t2v"]
    for metric, value in metrics.items():
        scores = answers.scores(metric.removeprefix("t2v/"))
        assert (np.median(scores) if metric.endswith("MdR") else scores.mean()) == pytest.approx(value)
    places = [np.arange(b, w + 1) for b, w in zip(best, worst, strict=True)]
    assert answers.scores("MRR").tolist() == pytest.approx([(1 / row).mean() for row in places])
    assert answers.scores("log2R").tolist() == pytest.approx([np.log2(row).mean() for row in places])
