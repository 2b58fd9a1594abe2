"""Study tables from real cell folders: values, intervals and verdicts against direct computation."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study_cells import CLUSTERS, NUM, SHIFTS, Places, cell, places, plan_of

from clipvip.config.claims import Metric
from clipvip.results import comparisons, notes, repeated_draws, study_files, tables
from clipvip.results.experiment import Experiment
from clipvip.results.noise import Row, pool
from clipvip.results.variance import FIXED, RunNoise, Term, estimate, interaction


def _make(plan: dict[str, Any], out: Path) -> dict[str, pd.DataFrame]:
    out.mkdir(exist_ok=True)
    tables.make(plan, out)
    return {path.stem: pd.read_csv(path) for path in sorted(out.glob("*.csv"))}


def _recall(seed: int, shift: float, k: int) -> Places:
    return np.where(places(seed, shift) <= k, 100.0, 0.0)


def _noise(seeds: int, recall: int = 5, shifts: tuple[float, ...] = (2.0, 0.7)) -> RunNoise:
    """Of fine-tuned variants with these shifts, pooled by hand."""
    rows = [[_recall(10 + s, shift, recall) for s in range(seeds)] for shift in shifts]
    variances = [np.var([each.mean() for each in row], ddof=1) for row in rows]
    within = float(np.mean([interaction(row, CLUSTERS) for row in rows]))
    return RunNoise("x", max(float(np.mean(variances)), within), float(len(rows) * (seeds - 1)), within, len(rows))


def test_table_holds_values_intervals_and_provenance(tmp_path: Path) -> None:
    found = _make(plan_of(tmp_path, (0, 1)), tmp_path / "out")
    table = found["table"]
    assert list(zip(table["variant"], table["seed"], strict=True)) == [(v, s) for v in SHIFTS for s in (0, 1)]
    row = table.iloc[3]
    expected = estimate([Term(1.0, {"a": _recall(11, 2.0, 5)}, FIXED)], CLUSTERS).interval()
    assert [row["msrvtt/t2v/R@5"], row["msrvtt/t2v/R@5/low"], row["msrvtt/t2v/R@5/high"]] == pytest.approx(expected)
    assert row["msrvtt/t2v/MdR"] == np.median(places(11, 2.0))
    assert row["msrvtt/t2v/log2R"] == pytest.approx(np.log2(places(11, 2.0)).mean())
    assert row["msrvtt/ceiling/t2v/R@1"] == 88
    for name in (
        "msrvtt/v2t/R@10/low",
        "msrvtt/order/high",
        "msrvtt/zero_shot/order/low",
        "msrvtt/zero_shot/t2v_dsl/R@1",
    ):
        assert np.isfinite(row[name])
    assert "msrvtt/t2v_dsl/R@1/low" not in table  # transductive: the queries are not independent
    assert row["cell/pretrain"] == "pre-small-1"
    assert json.loads(row["fingerprints"])["fine_tuned/msrvtt"] == "print-evaluate"
    assert set(table["status"]) == {"finished"}
    assert list(table.columns[:3]) == ["variant", "seed", "msrvtt/t2v/R@1"]


def test_summary_is_over_replicates_and_shared_cells_count_once(tmp_path: Path) -> None:
    summary = _make(plan_of(tmp_path, (0, 1, 2)), tmp_path / "out")["summary"].set_index("variant")
    columns = ["msrvtt/t2v/R@5", "msrvtt/t2v/R@5/low", "msrvtt/t2v/R@5/high"]
    runs = {str(s): _recall(10 + s, 0.7, 5) for s in range(3)}
    expected = estimate([Term(1.0, runs, _noise(3))], CLUSTERS).interval()
    assert summary.loc["large", columns].tolist() == pytest.approx(expected)
    shared = estimate([Term(1.0, {"a": _recall(0, 1.8, 5)}, FIXED)], CLUSTERS).interval()
    columns = [name.replace("t2v", "zero_shot/t2v") for name in columns]
    assert summary.loc["none", columns].tolist() == pytest.approx(shared)  # one zero-shot cell, nothing trained
    medians = [np.median(places(10 + s, 2.0)) for s in range(3)]
    assert summary.loc["small", "msrvtt/t2v/MdR"] == pytest.approx(np.mean(medians))
    assert summary.loc["small", "msrvtt/t2v/MdR/high"] > np.mean(medians)
    assert (summary["msrvtt/ceiling/v2t/R@1"] == 77).all()
    assert summary["note"].str.startswith("replicates varied: seed").all()


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


def test_what_is_not_finished_is_missing(tmp_path: Path) -> None:
    expect = ["small < none on msrvtt/t2v/R@5", "small < large on msrvtt/t2v/R@5", "subtitles > captions on nmi/msrvtt"]
    plan = plan_of(tmp_path, (0, 1), expect=expect, gap="gap")
    for key in ("fine-small-0", "fine-small-1", "fine-large-1"):
        (tmp_path / "cells" / "evaluate" / key / "receipt.json").unlink()
    failed = tmp_path / "cells" / "finetune" / "tune-none-1" / "receipt.json"
    failed.write_text(failed.read_text().replace("finished", "failed"))
    plan["expect"].append("large < none on msrvtt/t2v/R@5")
    found = _make(plan, tmp_path / "out")
    table = found["table"].set_index(["variant", "seed"])
    assert table["status"].tolist() == ["finished", "missing", "missing", "missing", "finished", "missing"]
    assert table.loc[("none", 1), "missing"] == "finetune/msrvtt"
    assert np.isnan(table.loc[("small", 0), "msrvtt/t2v/R@5"])
    assert np.isfinite(table.loc[("small", 0), "msrvtt/zero_shot/t2v/R@5"])
    verdicts = found["verdicts"]
    assert verdicts["verdict"].tolist()[:3] == ["cannot tell"] * 3
    assert verdicts["note"].str.startswith("missing")[:3].all()
    assert verdicts["decides"].tolist()[:3] == ["needs its missing cells"] * 3
    assert verdicts["replicates"].tolist() == [0, 0, 0, 1]
    assert verdicts["note"].iloc[3] == f"{notes.ONE_RUN}; missing: seed 1"
    tests = found["tests"].set_index(["variant", "metric"])
    assert tests.loc[("small", "msrvtt/t2v/R@5"), "note"] == "missing"
    assert np.isnan(tests.loc[("small", "msrvtt/t2v/R@5"), "p_holm"])
    assert len(found["gap"]) == 0


def test_curves_keep_the_validated_steps(tmp_path: Path) -> None:
    curves = _make(plan_of(tmp_path, (0, 1)), tmp_path / "out")["curves"]
    assert list(curves.columns) == ["variant", "seed", "step", *tables.VAL]
    assert curves["step"].tolist() == [2, 4] * 4
    assert curves.loc[curves["variant"] == "large", "val/t2v/R@5"].tolist() == [5, 10, 5, 11]


def test_gap_and_its_verdicts(tmp_path: Path) -> None:
    nmi = {"subtitles": [0.30, 0.34, 0.32], "captions": [0.02, 0.05, 0.03], "coco": [0.31, 0.33, 0.34]}
    expect = [f"subtitles > {name} on nmi/msrvtt" for name in ("captions", "coco")]
    plan = plan_of(tmp_path, (0,), expect=expect, gap="gap")
    rows = [
        (s, "msrvtt", i, each, each + 0.01 * i, each - 0.02, 50, 0.1, 0.5)
        for s, values in nmi.items()
        for i, each in enumerate(values)
    ]
    columns = ["source", "downstream", "repeat", "nmi", "nmi_source", "nmi_downstream"]
    columns += ["sentences", "share_source", "share_downstream"]
    folder = cell(tmp_path, "gap", "gap")
    pd.DataFrame(rows, columns=columns).to_csv(folder / "nmi.csv", index=False)
    overlaps = pd.DataFrame({"source": list(nmi), "downstream": "msrvtt", "covered": [0.2, 0.5, 0.9], "jaccard": 0.1})
    overlaps.to_csv(folder / "overlap.csv", index=False)
    language = [(source, "source", 50, 7.0) for source in nmi] + [("msrvtt", "downstream", 50, 9.0)]
    kinds = ["source", "kind", "sentences", "mean_words"]
    pd.DataFrame(language, columns=kinds).to_csv(folder / "statistics.csv", index=False)
    found = _make(plan, tmp_path / "out")
    first = found["gap"].iloc[0]
    assert (first["source"], first["downstream"], first["repeats"], first["sentences"]) == (
        "subtitles",
        "msrvtt",
        3,
        50,
    )
    values, steps = np.array(nmi["subtitles"]), 0.01 * np.arange(3)
    expected = repeated_draws.interval(values, [(values + steps, 0.1), (values - 0.02, 0.5)])
    assert first[["nmi", "low", "high"]].tolist() == pytest.approx(expected)
    verdicts = found["verdicts"]
    assert verdicts["verdict"].tolist() == ["yes", "cannot tell"]
    covers = found["language"].set_index("source")["covers/msrvtt"]
    assert covers.dropna().to_dict() == {"subtitles": 0.2, "captions": 0.5, "coco": 0.9}
    difference = values - np.array(nmi["captions"])
    anew = [(difference, 0.5), (difference + steps, 0.1), (difference - steps, 0.1)]  # the set's draws cancel out
    paired = repeated_draws.interval(difference, anew)
    assert verdicts.loc[0, ["difference", "low", "high"]].tolist() == pytest.approx(paired)


def test_a_bad_line_stops_before_anything_is_written(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, (0,), expect=["smal < none on msrvtt/t2v/R@5"])
    with pytest.raises(ValueError, match=r"study data_scale: expect 'smal < none.*did you mean 'small'\?"):
        _make(plan, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, (0,), expect=["small < none on msrvtt/t2v/R@5"])
    _make(plan, tmp_path / "one")
    _make(plan, tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_other_queries_are_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, (0,))
    path = tmp_path / "cells" / "evaluate" / "fine-small-0" / "ranks.parquet"
    rows = pd.read_parquet(path)
    rows.assign(query=rows["query"] + "x").to_parquet(path)
    with pytest.raises(ValueError, match=r"cells fine-small-0 and fine-none-0 \(evaluate\) answered different"):
        _make(plan, tmp_path / "out")


def test_tables_never_import_torch() -> None:
    heavy = {"torch", "transformers", "matplotlib", "scipy.stats"}
    code = f"import sys, clipvip.results.tables; assert not {heavy} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_failed_is_shown_with_its_reason_and_not_with_its_old_numbers(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, (0,))
    for folder in ("failed", "specs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "failed" / "finetune-tune-small-0.json").write_text(json.dumps({"reason": "no such clip", "trace": ""}))
    (tmp_path / "failed" / "corpus-abc.json").write_text(json.dumps({"reason": "disk full", "trace": ""}))
    receipt = tmp_path / "cells" / "evaluate" / "fine-large-0" / "receipt.json"
    receipt.unlink()
    specs = {"evaluate-fine-large-0": "finetune/tuned", "finetune-tuned": "corpus/abc"}
    for name, other in specs.items():
        (tmp_path / "specs" / f"{name}.json").write_text(json.dumps({"inputs": {"model": other}}))
    table = _make(plan, tmp_path / "out")["table"].set_index("variant")
    assert table["status"].to_dict() == {"none": "finished", "small": "failed", "large": "failed"}
    assert table.loc["small", "reason"] == "finetune: no such clip"
    assert table.loc["large", "reason"] == "corpus: disk full"
    assert np.isnan(table.loc["large", "msrvtt/t2v/R@5"])
