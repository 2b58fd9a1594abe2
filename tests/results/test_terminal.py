"""The terminal's view of a study holds the tables' numbers, and loads nothing that draws or trains."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from results_tree import Tree, main, write_tables

from clipvip.results.report.terminal import markdown

SUMMARY = """variant,seeds,a/t2v/R@1,a/t2v/R@1/low,a/t2v/R@1/high,a/t2v/R@5,a/order,a/order/low,a/order/high
clip,1,10.04,1.75,21.0,30.25,15.0,,
clip_vip,1,100.0,99.96,100.0,87.55,0.04,-1.05,0.96
"""
VERDICTS = """expect,metric,left,right,difference,low,high,verdict
clip_vip > clip on a/t2v/R@1,a/t2v/R@1,100,10.04,89.96,-1.44,98.695,holds
clip > clip_vip on nmi/a,nmi/a,0.5,0.25,0.25049,-0.00051,0.1235,cannot tell
"""
WHOLE = """**Does it matter?** ({folder})

| variant | a/t2v/R@1 | a/t2v/R@5 | a/order |
| --- | --- | --- | --- |
| clip | 10.0 (1.8 to 21.0) | 30.2 | 15.0 |
| clip_vip | 100.0 (100.0 to 100.0) | 87.5 | 0.0 (-1.1 to 1.0) |

| expected | here | difference (95 % interval) | what would decide |
| --- | --- | --- | --- |
| clip_vip > clip on a/t2v/R@1 | holds | +90.0 (-1.4 to +98.7) |  |
| clip > clip_vip on nmi/a | cannot tell | +0.250 (-0.001 to +0.123) |  |"""


def study(folder: Path, downstream: list[str], summary: str, verdicts: str) -> Path:
    (folder / "plan.json").write_text(json.dumps({"title": "Does it matter?", "downstream": downstream}))
    (folder / "summary.csv").write_text(summary)
    (folder / "verdicts.csv").write_text(verdicts)
    return folder


def test_every_letter_of_a_study(tmp_path: Path) -> None:
    folder = study(tmp_path, ["a"], SUMMARY, VERDICTS)
    assert markdown(folder) == WHOLE.format(folder=folder)


def test_more_than_two_sets_have_a_table_each_and_no_verdict_no_table(tmp_path: Path) -> None:
    folder = study(tmp_path, ["a", "b", "c"], "variant,a/order,b/order,c/order\nclip,1,2,3\n", VERDICTS.split("\n")[0])
    tables = [
        f"| variant | {name}/order |\n| --- | --- |\n| clip | {value}.0 |"
        for name, value in zip("abc", "123", strict=True)
    ]
    assert markdown(folder) == "\n\n".join([f"**Does it matter?** ({folder})", *tables])


def test_two_sets_share_a_table_and_the_ends_are_chosen(tmp_path: Path) -> None:
    folder = study(tmp_path, ["a", "b"], "variant,a/order,b/order,b/x\nclip,1,2,3\n", VERDICTS.split("\n")[0])
    table = "| variant | a/order | b/order |\n| --- | --- | --- |\n| clip | 1.0 | 2.0 |"
    assert markdown(folder) == f"**Does it matter?** ({folder})\n\n{table}"
    assert markdown(folder, ends=("x",)).endswith("| variant | b/x |\n| --- | --- |\n| clip | 3.0 |")


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
    verdicts |= {"verdict": ["yes", "cannot tell"], "difference": [50 / 3, 0.0004]}
    verdicts |= {"low": [8.25001, -0.01], "high": [25.0, 0.0108]}
    pd.DataFrame(verdicts).to_csv(tmp_path / "verdicts.csv", index=False)
    assert markdown(tmp_path) == (
        f"**Does it help?** ({tmp_path})\n\n"
        "| variant | msrvtt/t2v/R@1 | msrvtt/order |\n"
        "| --- | --- | --- |\n"
        "| clip | 33.3 (25.0 to 41.7) | 50.0 |\n"
        "| clip_vip | 50.0 (42.0 to 58.0) | – |\n\n"
        "| expected | here | difference (95 % interval) | what would decide |\n"
        "| --- | --- | --- | --- |\n"
        "| clip_vip > clip on msrvtt/t2v/R@1 | yes | +16.7 (+8.3 to +25.0) |  |\n"
        "| a > b on nmi/msrvtt | cannot tell | +0.000 (-0.010 to +0.011) |  |"
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
