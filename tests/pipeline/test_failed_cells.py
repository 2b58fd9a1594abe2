"""A cell that fails stops neither the others nor their tables; the next run makes only what failed."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from test_workflow import ROOT, SMOKE, snakemake

from clipvip.pipeline.progress import status

STUDY = {
    "title": "Does one failure stop the others?",
    "claim": "It must not.",
    "baseline": "none",
    "base": {"pretrain": {"objective": "subtitle"}},
    "downstream": ["msrvtt"],
    "variants": {"none": {"pretrain": None}, "bad": {"pretrain": {"corpus": "small"}}},
    "expect": ["bad < none on msrvtt/t2v/R@5"],
}


@pytest.fixture
def file(tmp_path: Path, tiny_clip_folder: Path) -> Path:
    """An experiment of two rows, of which one asks for more clips than its corpus has."""
    (tmp_path / "studies.yaml").write_text(yaml.safe_dump({"studies": {"only": STUDY}}))
    data = yaml.safe_load((ROOT / SMOKE).read_text())
    data |= {"name": "failing", "results": str(tmp_path / "results"), "studies": str(tmp_path / "studies.yaml")}
    data |= {"clip": {"source": str(tiny_clip_folder)}}
    data["corpora"]["narrated"]["world"]["clips"] = {"train": 30}
    data["roles"]["small"]["clips"] = 31
    path = tmp_path / "failing.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_failed_cell_leaves_a_table_and_the_next_run_makes_what_failed(file: Path) -> None:
    results = file.parent / "results"
    done = snakemake("--configfile", str(file), "--", "ablate_only")
    assert done.returncode != 0
    assert "some cells failed" in done.stdout
    table = pd.read_csv(results / "failing/studies/only/table.csv").set_index("variant")
    assert table["status"].to_dict() == {"none": "finished", "bad": "failed"}
    assert table.loc["bad", "reason"] == "pretrain: cannot take 31 clips: there are 30"
    assert table["msrvtt/t2v/R@5"].notna().to_dict() == {"none": True, "bad": False}
    assert "cannot take 31 clips: there are 30" in (results / "failing/report.html").read_text()
    said = status(results / "failing/jobs.json")
    assert "  failed  post-pretrain · bad, replicate 0 · narrated: cannot take 31 clips: there are 30  (" in said
    assert "bad, replicate 0 | clipvip: cannot take 31 clips: there are 30" in done.stdout + done.stderr
    made = {path: path.stat().st_mtime_ns for path in results.glob("cells/*/*/receipt.json")}
    data = yaml.safe_load(file.read_text())
    data["roles"]["small"]["clips"] = 30
    file.write_text(yaml.safe_dump(data))
    again = snakemake("--configfile", str(file), "--", "ablate_only")
    assert again.returncode == 0, again.stderr[-3000:]
    table = pd.read_csv(results / "failing/studies/only/table.csv")
    assert set(table["status"]) == {"finished"}
    receipts = {path: path.stat().st_mtime_ns for path in results.glob("cells/*/*/receipt.json")}
    assert made.items() <= receipts.items()  # nothing that was there was made again
    new = {json.loads(path.read_text())["stage"] for path in receipts.keys() - made.keys()}
    assert new == {"pretrain", "finetune", "evaluate"}
