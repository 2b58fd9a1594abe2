"""Names around the workflow: of the folder it runs in, of its jobs, of its rules."""

import itertools
import re
from pathlib import Path

import pandas as pd
import pytest
from laboratory import Laboratory
from workflow_runs import SMOKE, snakemake


@pytest.mark.slow  # two to three minutes
def test_a_clone_in_a_folder_of_any_name_works(tmp_path: Path) -> None:
    clone = tmp_path / 'it\'s a "clone" of $(touch hit) & {more}'
    Laboratory(clone)
    done = snakemake("--configfile", SMOKE, "--", "ablate_data_scale", root=clone, PYTHONPATH=str(clone))
    assert done.returncode == 0, done.stderr[-4000:]
    table = pd.read_csv(clone / "results/smoke/studies/data_scale/table.csv")
    assert (table["status"] == "finished").all()
    assert list(tmp_path.rglob("hit")) == []
    again = snakemake("--configfile", SMOKE, "-n", "--", "ablate_data_scale", root=clone, PYTHONPATH=str(clone))
    assert "Nothing to be done" in again.stdout + again.stderr


def test_jobs_are_named_in_words_and_the_graph_of_rules_shows_the_stages(tmp_path: Path) -> None:
    words = ("--configfile", SMOKE, "--config", f"results={tmp_path}", "--", "ablate_all")
    done = snakemake("-n", *words)
    said = done.stdout + done.stderr
    named = re.findall(r"^Job \d+: (.+)$", said, flags=re.MULTILINE)
    assert "wildcards: job=" not in said
    assert {"table, tests and verdicts · main", "captions · narrated · part 1 of 2", "the page"} <= set(named)
    assert any(re.fullmatch(r"post-pretrain, fine-tune, evaluate · captions, replicate 0 · .*", each) for each in named)
    graph = snakemake("--rulegraph", *words).stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', graph))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", graph)}
    path = (
        "world",
        "corpus",
        "frames",
        "captions",
        "pretrain",
        "finetune",
        "evaluate",
        "table",
        "all_tables",
        "notebook",
    )
    assert set(itertools.pairwise((*path, "report"))) <= edges
    assert {("captioner", "captions"), ("clip", "pretrain"), ("captions", "gap"), ("gap", "table")} <= edges
