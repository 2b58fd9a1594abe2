"""Study tables from real cell folders: values, intervals and verdicts against direct computation."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_cells import CLUSTERS, SHIFTS, cell, places, plan_of
from table_parts import make as _make
from table_parts import noise as _noise
from table_parts import recalls as _recall

from clipvip.results import notes, repeated_draws, tables
from clipvip.results.variance import FIXED, Term, estimate


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


def test_cells_of_different_machines_are_named_stage_by_stage(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, (0, 1))
    trained, evaluated = (
        sorted((tmp_path / "cells").glob(f"{stage}/*/receipt.json")) for stage in ("finetune", "evaluate")
    )
    epyc = {"processor": "EPYC", "threads": 1, "processes": 1}
    for path in [*trained, *evaluated]:
        gpu = {"gpu": "H100", "processes": 8} if path == trained[0] else {}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"machine": epyc | gpu}))
    note = _make(plan, tmp_path / "out")["summary"]["note"][0]
    told = f"finetune on EPYC 1 thread ({len(trained) - 1}), 8 x H100 (1)"
    assert f"cells come from different kinds of machine: {told};" in note
    trained[0].write_text(trained[1].read_text())
    assert "machine" not in _make(plan, tmp_path / "out")["summary"]["note"][0]


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
        (s, "msrvtt", i, a, b, each + 0.01 * i * a - 0.02 * b, each - 0.01, each / 10, 0.004, 50, 0.1, 0.5)
        for s, values in nmi.items()
        for i, each in enumerate(values)
        for a in (0, 1)
        for b in (0, 1)
    ]
    columns = ["source", "downstream", "repeat", "source_draw", "downstream_draw", "nmi", "ami", "mmd", "mmd_p"]
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
    steps = 0.01 * np.arange(3)[:, None, None] * np.array([[0, 0], [1, 1]]) - 0.02 * np.array([[0, 1], [0, 1]])
    crossed = {name: np.array(values)[:, None, None] + steps for name, values in nmi.items()}
    expected = repeated_draws.positive_interval(crossed["subtitles"], (0.1, 0.5))
    assert first[["nmi", "low", "high"]].tolist() == pytest.approx(expected)
    assert (first["mmd_p"], first["ami"]) == (0.004, pytest.approx(np.mean(nmi["subtitles"]) - 0.01))
    verdicts = found["verdicts"]
    assert verdicts["verdict"].tolist() == ["yes", "no difference that matters"]
    covers = found["language"].set_index("source")["covers/msrvtt"]
    assert covers.dropna().to_dict() == {"subtitles": 0.2, "captions": 0.5, "coco": 0.9}
    paired = repeated_draws.interval(crossed["subtitles"] - crossed["captions"], (0.1, 0.5))
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
