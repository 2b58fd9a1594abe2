"""The whole path in the smallest world, by real Snakemake: one command, filled tables, nothing done twice."""

import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from workflow_runs import ROOT, SMOKE, snakemake

from clipvip.pipeline.grid import Grid, load
from clipvip.pipeline.store import receipt
from clipvip.results import outcomes

STUDIES = tuple(load([ROOT / SMOKE]).studies)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workflow") / "results"
    done = snakemake("--configfile", SMOKE, "--config", f"results={root}", "--", "ablate_all")
    assert done.returncode == 0, done.stderr[-4000:]
    return root


@pytest.fixture(scope="module")
def grid(results: Path) -> Grid:
    os.chdir(ROOT)
    return Grid({**yaml.safe_load((ROOT / SMOKE).read_text()), "results": str(results)})


@pytest.mark.parametrize("study", STUDIES)
def test_a_table_has_one_row_a_variant_and_seed(results: Path, grid: Grid, study: str) -> None:
    table = pd.read_csv(results / "smoke/studies" / study / "table.csv")
    asked = [(row.variant, row.seed) for row in grid.studies[study].rows]
    assert list(zip(table["variant"], table["seed"], strict=True)) == asked
    for name in grid.studies[study].downstream:
        for metric in ("t2v/R@1", "zero_shot/t2v/R@5", "v2t/MdR", "t2v_dsl/R@10", "order", "ceiling/t2v/R@1"):
            assert table[f"{name}/{metric}"].notna().all()


@pytest.mark.parametrize("study", STUDIES)
def test_every_expectation_has_a_verdict(results: Path, grid: Grid, study: str) -> None:
    verdicts = pd.read_csv(results / "smoke/studies" / study / "verdicts.csv")
    assert list(verdicts["expect"]) == list(grid.studies[study].settings.expect)
    assert set(verdicts["verdict"]) <= set(outcomes.OUTCOMES)
    assert (verdicts["low"] <= verdicts["high"]).all()


def test_one_study_makes_its_own_table_alone(tmp_path: Path) -> None:
    for target, tables, together in (("ablate_data_scale", 1, 0), ("ablate_all", len(STUDIES), 1)):
        planned = snakemake("-n", "--configfile", SMOKE, "--config", f"results={tmp_path}", "--", target)
        asked = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout, flags=re.MULTILINE))
        assert (int(asked["table"]), int(asked.get("all_tables", 0))) == (tables, together)


@pytest.mark.parametrize("study", STUDIES)
def test_the_notebook_was_executed_and_left_a_figure(results: Path, study: str) -> None:
    notebook = nbformat.read(results / f"smoke/notebooks/{study}.ipynb", as_version=4)
    path = ROOT / f"analysis/{study}.ipynb"
    own = nbformat.read(path if path.exists() else ROOT / "analysis/study.ipynb", as_version=4)
    sources = [cell.source for cell in notebook.cells]
    assert [cell.source for cell in own.cells] == sources[-len(own.cells) :]  # its own, not another study's
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.execution_count for cell in cells)
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert (results / f"smoke/studies/{study}/figure.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (results / f"smoke/studies/{study}/figure.svg").read_text()


def test_the_report_gathers_all_studies_offline(results: Path, grid: Grid) -> None:
    page = (results / "smoke/report.html").read_text()
    assert all(study.settings.title in page for study in grid.studies.values())
    assert not re.findall(r"""(?:src|<link[^>]* href)=["']?(?:https?:)?//""", page)
    outside = set(re.findall(r"""<a [^>]*href=["']?(https?://[^/"']*)""", page))
    assert outside == {"http://127.0.0.1:5000"}  # where `make ui` shows the runs
    assert page.count("data:image/png;base64") >= 20  # film strips


def test_every_cell_explains_itself(results: Path, grid: Grid) -> None:
    for name, cell in grid.cells.items():
        own = receipt(results, name)
        assert own is not None
        assert own["lineage"] == cell.lineage
        config = json.loads((results / "cells" / name / "config.json").read_text())
        assert config["settings"] == cell.settings.model_dump(mode="json")


def test_a_second_run_has_nothing_to_do(results: Path) -> None:
    again = snakemake("--configfile", SMOKE, "--config", f"results={results}", "--", "ablate_all")
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_plain_copy_has_nothing_to_do_whatever_its_times(results: Path, tmp_path: Path) -> None:
    """`cp -r` gives new times in any order; here what came last is the oldest."""
    copy = tmp_path / "copied results"
    shutil.copytree(results, copy, copy_function=shutil.copyfile)
    files = sorted((path for path in copy.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    made = {path: (results / path.relative_to(copy)).stat().st_mtime_ns for path in files}
    newest = max(made.values())
    for path, time_ns in made.items():
        os.utime(path, ns=(newest, 2 * newest - time_ns + 3600 * 10**9))
    again = snakemake("-n", "--configfile", SMOKE, "--config", f"results={copy}", "--", "ablate_all")
    assert "Nothing to be done" in again.stdout + again.stderr, again.stdout
    marker = next((copy / "jobs/variant").iterdir())
    os.utime(marker)  # as if made anew since
    assert planned("--configfile", SMOKE, "--config", f"results={copy}")["table"] >= 1


def test_a_lost_cell_is_made_again_with_what_hangs_on_it(results: Path, grid: Grid, tmp_path: Path) -> None:
    """In a copy of the results, from the receipts alone."""
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    row = next(row for row in grid.studies["main"].rows if row.variant == "clip_vip")
    (copy / "cells" / row.cells["fine_tuned/lsmdc"].name / "receipt.json").unlink()
    planned = snakemake("-n", "--configfile", SMOKE, "--config", f"results={copy}", "--", "ablate_all")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout + planned.stderr, flags=re.MULTILINE))
    assert jobs["variant"] == "1"
    assert not {"prepare", "clip", "captions", "gap"} & set(jobs)


def test_changed_code_reruns_what_it_made_and_a_comment_nothing(results: Path, tmp_path: Path) -> None:
    """In another clone pointed at the same results."""
    clone = tmp_path / "clone"
    for name in ("clipvip", "workflow", "experiments", "analysis", "profiles"):
        shutil.copytree(ROOT / name, clone / name)
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, clone / name)
    words = ("-n", "--configfile", SMOKE, "--config", f"results={results}", "--", "ablate_all")
    path = clone / "clipvip/model/loss.py"
    text = path.read_text()
    path.write_text(f"{text}# a comment\nUNUSED = True\n")
    assert "Job stats" not in snakemake(*words, root=clone, PYTHONPATH=str(clone)).stdout
    whole = "torch.stack(losses).sum()"
    assert whole in text
    path.write_text(text.replace(whole, f"{whole} * 2"))
    planned = snakemake(*words, root=clone, PYTHONPATH=str(clone))
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout + planned.stderr, flags=re.MULTILINE))
    assert {"clip", "variant", "gap", "table", "notebook", "report"} <= set(jobs)
    assert not {"prepare", "captioner", "captions", "caption_shard"} & set(jobs)


def planned(*words: str, **settings: str) -> dict[str, int]:
    """Jobs that `snakemake -n` lists, by rule."""
    done = snakemake("-n", *words, "--", "ablate_all", **settings)
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in found if rule != "total"}


def test_a_changed_variant_a_renamed_study_and_another_experiment_pay_for_what_is_new(
    results: Path, tmp_path: Path
) -> None:
    """In copies of the results: which cells are made, and tables where a plan is new."""
    studies = yaml.safe_load((ROOT / "experiments/studies.yaml").read_text())
    tables = {"table", "all_tables", "notebook", "general_notebook", "track", "report", "ablate_all"}

    def cells_of(change: str, data: dict[str, object], **more: str) -> dict[str, int]:
        copy = tmp_path / change
        shutil.copytree(results, copy)
        (tmp_path / f"{change}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
        config = {"results": str(copy), "studies": str(tmp_path / f"{change}.yaml"), **more}
        jobs = planned("--configfile", SMOKE, "--config", *(f"{name}={value}" for name, value in config.items()))
        assert ("table" in jobs) == (change != "nothing")
        return {rule: count for rule, count in jobs.items() if rule not in tables}

    assert cells_of("nothing", studies) == {}
    changed = json.loads(json.dumps(studies))
    changed["studies"]["patch_dropping"]["variants"]["half"]["model"]["patch_dropping"] = 0.4
    assert cells_of("variant", changed) == {"variant": 1}
    renamed = {"studies": {("dropping" if k == "patch_dropping" else k): v for k, v in studies["studies"].items()}}
    assert cells_of("name", renamed) == {}
    assert cells_of("experiment", studies, name="other") == {}


def test_one_finished_run_a_distinct_cell_and_the_table_pivots_out_of_mlflow(results: Path, grid: Grid) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{results}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["smoke"], max_results=10_000)
    cells = runs[runs["tags.key"].str.fullmatch("[0-9a-f]{12}", na=False)]
    assert (cells["status"] == "FINISHED").all()
    assert cells["tags.key"].is_unique
    assert set(cells["tags.key"]) == {cell.key for cell in grid.cells.values()}
    table = pd.read_csv(results / "smoke/studies/video_proxy/table.csv")
    tuned = cells[(cells["tags.when"] == "fine_tuned") & (cells["tags.set"] == "msrvtt")]
    own = tuned[tuned["tags.study.video_proxy"].notna()]
    found = own.assign(variant=own["tags.study.video_proxy"].str.split(",")).explode("variant").set_index("variant")
    for _, row in table.iterrows():
        assert found.loc[row["variant"], "metrics.msrvtt/t2v/R_at_5"] == pytest.approx(row["msrvtt/t2v/R@5"])


def test_the_plan_says_how_many_cells_are_asked_and_how_many_are_distinct(tmp_path: Path) -> None:
    done = snakemake("-n", "--configfile", "experiments/base_32.yaml", "--config", f"results={tmp_path}")
    assert done.returncode == 0
    studies = load(["experiments/base_32.yaml"]).studies.values()
    named = [cell.name for study in studies for cell in study.cells()]
    assert f"{len(studies)} studies ask for {len(named)} cells, {len(set(named))} distinct" in done.stderr
    assert "pretrain" in done.stdout + done.stderr


def test_missing_data_stop_the_run_before_its_first_job(tmp_path: Path) -> None:
    done = snakemake("--configfile", "experiments/base_32.yaml", "--config", f"results={tmp_path}")
    assert done.returncode != 0
    assert "corpora.msrvtt.root: no folder" in done.stderr
    assert "data/msrvtt" in done.stderr
    assert "MSRVTT_data.json" in done.stderr
    assert not (tmp_path / "cells").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model={num_proxy: 3}", "unknown key 'model.num_proxy'; did you mean 'num_proxies'?"),
        ("roles={large: {corpus: narated}}", "roles.large.corpus: no 'narated' here; did you mean 'narrated'?"),
    ],
)
def test_a_bad_setting_stops_before_any_job(tmp_path: Path, change: str, message: str) -> None:
    done = snakemake("--configfile", SMOKE, "--config", f"results={tmp_path}", change)
    assert done.returncode != 0
    assert message in done.stderr
    assert not any(tmp_path.iterdir())
