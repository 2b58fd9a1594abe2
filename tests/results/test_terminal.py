"""The terminal's view of a study holds the tables' numbers, and loads nothing that draws or trains."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from results_tree import Tree, main, write_tables

from clipvip.results.report.terminal import markdown


def test_a_study_worked_out_by_hand(tmp_path: Path) -> None:
    plan = {"title": "Does it help?", "downstream": ["msrvtt"]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    recall, order = "msrvtt/t2v/R@1", "msrvtt/order"
    rows = {"variant": ["clip", "clip_vip"], recall: [100 / 3, 50.0], f"{recall}/low": [25.04, 41.96]}
    rows |= {f"{recall}/high": [41.66, 58.04], order: [50.0, None]}
    pd.DataFrame(rows).to_csv(tmp_path / "summary.csv", index=False)
    verdicts = {
        "expect": ["clip_vip > clip on msrvtt/t2v/R@1", "a > b on nmi/msrvtt"],
        "metric": [recall, "nmi/msrvtt"],
    }
    verdicts |= {"verdict": ["yes", "undetermined"], "difference": [50 / 3, 0.0004]}
    verdicts |= {"low": [8.25001, -0.01], "high": [25.0, 0.0108]}
    pd.DataFrame(verdicts).to_csv(tmp_path / "verdicts.csv", index=False)
    assert markdown(tmp_path) == (
        f"**Does it help?** ({tmp_path})\n\n"
        "| variant | msrvtt/t2v/R@1 | msrvtt/order |\n"
        "| --- | --- | --- |\n"
        "| clip | 33.3 (25.0 to 41.7) | 50.0 |\n"
        "| clip_vip | 50.0 (42.0 to 58.0) | – |\n\n"
        "| the paper leads one to expect | here | difference (95 % interval) |\n"
        "| --- | --- | --- |\n"
        "| clip_vip > clip on msrvtt/t2v/R@1 | yes | +16.7 (+8.3 to +25.0) |\n"
        "| a > b on nmi/msrvtt | undetermined | +0.000 (-0.010 to +0.011) |"
    )


def test_show_loads_nothing_that_draws_or_trains(tmp_path: Path) -> None:
    folder = main(Tree(tmp_path))
    write_tables(folder)
    lines = ["import sys", "from clipvip.__main__ import main", f"assert main(['show', {str(folder)!r}]) == 0"]
    lines.append(
        "print(sorted({'matplotlib', 'torch', 'transformers', 'mlflow', 'optuna', 'decord'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *shown, loaded = done.stdout.splitlines()
    assert "\n".join(shown) == markdown(folder)
    assert loaded == "[]"


def test_a_folder_that_is_no_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a study"):
        markdown(tmp_path)
