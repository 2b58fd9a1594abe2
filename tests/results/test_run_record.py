"""What a cell becomes in MLflow: names of metrics, and the rows of a history that are kept."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results_tree import Tree

from clipvip.results.finished import find
from clipvip.results.tracking.run_record import metric_name, step_metrics


@pytest.mark.parametrize(
    ("name", "allowed"), [("t2v/R@5", "t2v/R_at_5"), ("val/t2v/R@10", "val/t2v/R_at_10"), ("Zeit (µs)", "Zeit __s_")]
)
def test_metric_names_are_allowed(name: str, allowed: str) -> None:
    assert metric_name(name) == allowed


def test_a_long_history_is_thinned_but_keeps_validations(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    folder = tree.pretrain({"pooling": "full"}, "subtitle", 500, 0)
    steps = np.arange(1, 60_001)
    history = pd.DataFrame({"step": steps, "loss": 1.0, "val/t2v/R@5": np.where(steps % 7001 == 0, 3.0, np.nan)})
    history.to_csv(folder / "history.csv", index=False)
    rows = list(step_metrics(find(tree.results, folder.name)))
    assert 500 <= sum("loss" in values for _, _, values in rows) < 600
    assert [step for step, _, values in rows if "val/t2v/R_at_5" in values] == [7001 * n for n in range(1, 9)]
    assert (rows[-1][0], rows[-1][1]) == (60_000, 1.0)
