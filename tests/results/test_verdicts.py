"""Verdicts, tests and the noise they rest on, from real cell folders, against the variance model by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study_cells import CLUSTERS, NUM, SHIFTS, places, plan_of
from table_parts import make as _make
from table_parts import noise as _noise
from table_parts import recalls as _recall

from clipvip.config.claims import Metric
from clipvip.results import comparisons, notes, study_files, tables
from clipvip.results.experiment import Experiment
from clipvip.results.noise import Row, pool
from clipvip.results.variance import RunNoise, Term, estimate, interaction


def test_tests_against_the_baseline(tmp_path: Path) -> None:
    expect = ["small < none on msrvtt/t2v/R@5"]
    found = _make(plan_of(tmp_path, (0, 1, 2), expect=expect), tmp_path / "out")
    tests, verdict = found["tests"], found["verdicts"].iloc[0]
    assert list(tests.columns) == comparisons.TESTS
    assert list(tests["metric"][:4]) == [
        f"msrvtt/{when}t2v/{score}" for when in ("", "zero_shot/") for score in ("R@5", "log2R")
    ]
    assert list(tests["variant"]) == ["small"] * 4 + ["large"] * 4
    row = tests[(tests["variant"] == "small") & (tests["metric"] == "msrvtt/t2v/R@5")].iloc[0]
    runs = [{f"{shift}-{s}": _recall(10 + s, shift, 5) for s in range(3)} for shift in (2.0, 0.8)]
    noise = [_noise(3), _noise(3, shifts=(0.8,))]  # with post-pretraining, and without
    expected = estimate([Term(1.0, runs[0], noise[0]), Term(-1.0, runs[1], _named(noise[1]))], CLUSTERS)
    assert row[["difference", "low", "high"]].tolist() == pytest.approx(expected.interval())
    assert (row["p"], row["df"], row["replicates"]) == pytest.approx((expected.p(), expected.df, 3))
    assert (row["num_queries"], row["num_clusters"]) == (NUM, NUM // 2)
    assert (verdict["p"], verdict["difference"]) == (row["p"], row["difference"])  # the same metric, the same p
    assert 0 < row["floor"] < row["detectable"]


def _named(noise: RunNoise) -> RunNoise:
    return RunNoise("y", noise.variance, noise.df, noise.interaction, noise.rows)


def test_verdicts(tmp_path: Path) -> None:
    expect = ["small < none on msrvtt/t2v/R@5", "small > none on msrvtt/t2v/R@5", "large > none on msrvtt/t2v/R@5"]
    expect += [
        "small > none on msrvtt/t2v/MnR",
        "small > large on msrvtt/zero_shot/t2v/MdR",
        "none < large on msrvtt/order margin 90",
        "small - large < none - none on msrvtt/t2v/R@5",
    ]
    rows = _make(plan_of(tmp_path, (0, 1, 2, 3, 4, 5), expect=expect[:6]), tmp_path / "out")["verdicts"]
    assert list(rows.columns) == comparisons.VERDICTS
    same = "no difference that matters"
    assert rows["verdict"].tolist() == ["yes", "no", "cannot tell", "yes", "yes", same]
    assert rows["replicates"].tolist() == [6] * 6
    assert (rows["lines"] == 5).all()  # the second asks what the first asks
    assert rows["log2R/verdict"].fillna("").tolist() == ["yes", "no", rows.loc[2, "log2R/verdict"], "", "", ""]
    assert (rows["log2R/difference"] * rows["difference"])[:3].tolist()[0] < 0  # a better recall, a smaller rank
    assert rows["decides"].notna().tolist() == [False, False, True, False, False, False]
    assert rows.loc[2, "decides"].startswith(("needs ", "out of reach"))
    left, right = ([places(s, shift + 1) for s in range(6)] for shift in (2.0, 0.7))
    assert rows.loc[4, "left"] == pytest.approx(np.mean([np.median(each) for each in left]))
    assert rows.loc[4, "difference"] == pytest.approx(
        np.mean([np.median(each) for each in left]) - np.mean([np.median(each) for each in right])
    )
    assert (rows["left"] - rows["right"]).tolist() == pytest.approx(rows["difference"].tolist())
    assert (rows["stated"] == "not recorded").all()


def test_holm_is_over_the_distinct_lines_of_the_experiment(tmp_path: Path) -> None:
    expect = ["small < none on msrvtt/t2v/R@5"]
    folder, beside = tmp_path / "mini/studies/data_scale", tmp_path / "mini/studies/other"
    alone = _alone(plan_of(tmp_path, (0, 1, 2), expect=expect), folder)
    assert alone["p_holm"] == pytest.approx(alone["p"])
    again = {"study": "other", "expect": ["none > small on msrvtt/t2v/R@5", "large > none on msrvtt/t2v/R@5"]}
    beside.mkdir()
    (beside / "plan.json").write_text(json.dumps(_plan(folder) | again))
    both = pd.read_csv(_again(folder) / "verdicts.csv").iloc[0]
    assert both["lines"] == 2
    assert both["p_holm"] == pytest.approx(2 * both["p"])
    assert both["p"] == alone["p"]  # the same cells under another name add no noise


def _alone(plan: dict[str, Any], folder: Path) -> "pd.Series[Any]":
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    return pd.read_csv(_again(folder) / "verdicts.csv").iloc[0]


def _plan(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return plan


def _again(folder: Path) -> Path:
    tables.make(_plan(folder), folder)
    return folder


def test_an_interaction_is_a_difference_of_differences(tmp_path: Path) -> None:
    expect = ["small - none > large - none on msrvtt/t2v/R@5", "small - none > none - large on msrvtt/t2v/R@5"]
    rows = _make(plan_of(tmp_path, (0, 1, 2), expect=expect), tmp_path / "out")["verdicts"]
    means = {v: np.mean([_recall(10 + s, shift, 5).mean() for s in range(3)]) for v, shift in SHIFTS.items()}
    assert rows.loc[0, "difference"] == pytest.approx(means["small"] - means["large"])
    assert rows.loc[1, "difference"] == pytest.approx(means["small"] + means["large"] - 2 * means["none"])
    assert rows.loc[1, ["left", "right"]].tolist() == pytest.approx(
        [means["small"] - means["none"], means["none"] - means["large"]]
    )
    terms = [
        Term(weight, {f"{shift}-{s}": _recall(10 + s, shift, 5) for s in range(3)}, noise)
        for weight, shift, noise in (
            (1.0, 2.0, _noise(3)),
            (1.0, 0.7, _noise(3)),
            (-2.0, 0.8, _named(_noise(3, shifts=(0.8,)))),
        )
    ]
    expected = estimate(terms, CLUSTERS)
    assert rows.loc[1, ["low", "high"]].tolist() == pytest.approx(expected.interval()[1:])


def test_one_run_answers_nothing(tmp_path: Path) -> None:
    expect = ["small < none on msrvtt/t2v/R@5"]
    row = _make(plan_of(tmp_path, (0,), expect=expect), tmp_path / "out")["verdicts"].iloc[0]
    assert (row["replicates"], row["note"], row["verdict"]) == (1, notes.ONE_RUN, "one run")
    assert row["decides"] == "needs a second replicate, or a noise study"
    assert row["high"] < 0
    assert np.isnan(row["p"])


def test_a_noise_study_serves_an_experiment_of_one_run(tmp_path: Path) -> None:
    """Another experiment's noise.csv, written by its tables and read by those of this one."""
    first, second = tmp_path / "a", tmp_path / "b"
    noisy = first / "mini/studies/data_scale"
    noisy.mkdir(parents=True)
    (noisy / "plan.json").write_text(json.dumps(plan_of(first, (0, 1, 2))))
    tables.make_all([noisy])
    written = first / "mini" / study_files.NOISE
    expect = ["small < none on msrvtt/t2v/R@5"]
    found = _make(plan_of(second, (0,), expect=expect, noise=str(written.parent)), second / "out")
    row = found["verdicts"].iloc[0]
    terms = [
        Term(1.0, {"a": _recall(10, 2.0, 5)}, _noise(3)),
        Term(-1.0, {"b": _recall(10, 0.8, 5)}, _named(_noise(3, shifts=(0.8,)))),
    ]
    expected = estimate(terms, CLUSTERS)
    assert row[["difference", "low", "high"]].tolist() == pytest.approx(expected.interval())
    assert row["verdict"] == "yes"
    assert "training noise from" in row["note"]
    kinds = pd.read_csv(written).set_index(["metric", "kind"]).loc["msrvtt/t2v/R@5"]
    assert kinds["df"].to_dict() == {"post-pretrained": 4, "not post-pretrained": 2}
    assert kinds.loc["post-pretrained", "variance"] == pytest.approx(_noise(3).variance)


def test_a_variant_of_one_run_borrows_the_noise_of_its_class(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, (0, 1, 2))
    plan["rows"] = [row for row in plan["rows"] if row["variant"] != "large" or row["seed"] == 0]
    experiment = Experiment([plan])
    study, metric = experiment.studies["data_scale"], Metric("msrvtt", "fine_tuned", "t2v", "R@5")
    small = [_recall(10 + s, 2.0, 5) for s in range(3)]
    means = np.array([each.mean() for each in small])
    expected = pool("post-pretrained", [Row("small", means, interaction(small, CLUSTERS))])
    assert experiment.noise_of(study, "large", metric) == expected.common
