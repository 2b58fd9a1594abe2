"""From a folder of videos to table and page: `clipvip init`, then the cells it asks for, and nothing of the paper.

The fast test makes the cells in this process; the slow one is the path of docs/own_data.md by real Snakemake.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import yaml
from own_videos import write_captions, write_clip, write_videos

from clipvip.__main__ import main
from clipvip.config.base import merge
from clipvip.pipeline.grid import Grid, load
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import spec_path
from clipvip.results import tables
from clipvip.results.finished import read_plan
from clipvip.results.report import page

ROOT = Path(__file__).parents[2]
PAPER = ("ICLR", "The paper", "msrvtt", "clip_vip", "Missing")


def own(root: Path, count: int) -> Path:
    """A folder with `count` videos in videos/, captions.csv and a CLIP in clip/."""
    rows = write_videos(root / "videos", count)
    write_captions(root / "captions.csv", rows)
    write_clip(root / "clip", [text for _, text in rows])
    return root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(own(tmp_path, 12))
    return tmp_path


INIT = ["init", "videos", "--captions", "captions.csv", "--clip", "clip"]


def test_a_folder_becomes_a_table_and_a_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "videos/broken.mp4").touch()
    assert main(INIT) == 0
    said = capsys.readouterr().out
    assert "12 can be opened" in said
    assert "1 left out: broken.mp4 (empty file)" in said
    assert "12 texts for 12 of 12 videos, 1 to 1 each" in said
    jobs = Jobs(load(["experiments/videos.yaml"]))
    jobs.prepare()
    stages = {cell.stage for cell in jobs.grid.cells.values()}
    assert stages == {"clip", "corpus", "frames", "finetune", "evaluate"}
    for cell in jobs.grid.cells.values():
        run_spec(spec_path(jobs.root, cell))
    folder = jobs.study_folder("pooling")
    tables.make(read_plan(folder), folder)
    table = pd.read_csv(folder / "table.csv")
    assert list(table["variant"]) == ["mean", "proxies"]
    assert table[["videos/t2v/R@1", "videos/zero_shot/t2v/R@5"]].notna().all(axis=None)
    (folder / "figure.svg").write_text("<svg/>")  # the notebook draws it
    page.make([folder], here / "report.html")
    text = (here / "report.html").read_text()
    assert "How should frames become one embedding?" in text
    assert [word for word in PAPER if word in text] == []
    assert text.count("data:image/png;base64") >= 2  # film strips of what is retrieved
    assert main(["show", str(folder)]) == 0
    assert "paper" not in capsys.readouterr().out


def test_splits_sources_and_what_the_captions_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write_videos(here / "videos", 12)
    given = [(path, text, split) for (path, text), split in zip(rows, ["train", "val", "Test"] * 4, strict=True)]
    write_captions(here / "captions.csv", given, ("path", "text", "split"))
    assert main(INIT) == 0
    assert "train 4 videos, 4 texts; val 4 videos, 4 texts; test 4 videos, 4 texts (as the captions" in (
        capsys.readouterr().out
    )
    assert pd.read_csv(here / "videos/splits/test.csv")["path"].tolist() == [row[0] for row in given[2::3]]
    write_captions(here / "captions.csv", given[:2], ("path", "text", "split"))
    assert main([*INIT, "--force"]) == 2
    assert "the column split names no test video" in capsys.readouterr().err
    tapes = [(path, text, f"tape {i % 4}") for i, (path, text) in enumerate(rows)]
    write_captions(here / "captions.csv", tapes, ("path", "text", "source"))
    assert main([*INIT, "--force"]) == 0
    assert "(by a hash of the source, seed 0)" in capsys.readouterr().out
    splits = {
        split: set(pd.read_csv(here / f"videos/splits/{split}.csv")["path"]) for split in ("train", "val", "test")
    }
    for tape in range(4):
        files = {path for path, _, source in tapes if source == f"tape {tape}"}
        assert sum(bool(files & each) for each in splits.values()) == 1
    named = pd.read_csv(here / "videos/splits/test.csv").set_index("path")["source_video"].to_dict()
    assert named == {path: source for path, _, source in tapes if path in splits["test"]}
    crossed = [(*row, f"tape {i // 2}") for i, row in enumerate(given[:6])]  # tape 1: test and train, tape 2: val, test
    write_captions(here / "captions.csv", crossed, ("path", "text", "split", "source_video"))
    capsys.readouterr()
    assert main([*INIT, "--force"]) == 0
    assert "2 sources in test and elsewhere: tape 1, tape 2; of these only" in capsys.readouterr().out


def test_without_captions_there_is_a_table_to_fill_in(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", "videos", "--clip", "clip"]
    assert main(words) == 2
    assert "no captions; wrote videos/captions.csv" in capsys.readouterr().err
    assert not (here / "experiments").exists()
    table = pd.read_csv(here / "videos/captions.csv")
    assert len(table) == 12
    assert main(words) == 2  # still empty, and not written over
    assert "videos/captions.csv: no text of a video: its texts are empty" in capsys.readouterr().err
    table.assign(text="a square").to_csv(here / "videos/captions.csv", index=False)
    assert main(words) == 0


def test_refusals_are_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(INIT) == 0
    for words, told in (
        (INIT, "videos.yaml: is there already; give another --name, or --force"),
        ([*INIT, "--name", "a b"], "--name 'a b': names are letters"),
        (["init", "nowhere"], "nowhere: no such folder"),
        ([*INIT, "--name", "other", "--clip", "./nowhere"], "./nowhere: no such model folder"),
        (
            [*INIT, "--name", "other", "--captions", "none.csv"],
            "none.csv: no such file; did you mean captions.csv?; give a csv with columns path and text",
        ),
        ([*INIT, "--name", "other", "--together", "source"], "some captions name no source"),
    ):
        capsys.readouterr()
        assert main(words) == 2, words
        error = capsys.readouterr().err.splitlines()[-1]
        assert told in error, error
    assert not (here / "experiments/other.yaml").exists()


@pytest.mark.parametrize("name", ["yes", "12", "null", "Ünïcode 'quotes' \"& [x]: #"])
def test_names_that_yaml_would_take_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(own(tmp_path, 5))
    (tmp_path / "videos").rename(tmp_path / name)
    assert main(["init", name, "--captions", "captions.csv", "--clip", "clip"]) == 0
    (file,) = (path for path in (tmp_path / "experiments").iterdir() if "studies" not in path.name)
    corpora = load([file]).experiment.corpora
    assert [corpus.root for corpus in corpora.values()] == [name]


def small(**change: Any) -> dict[str, Any]:
    """The least experiment that fine-tunes and evaluates."""
    least = {
        "name": "own",
        "studies": "/dev/null",
        "corpora": {"mine": {"format": "folder", "root": "videos"}},
        "downstream": ["mine"],
        "frames": {"size": 24},
        "clip": {"source": "clip"},
        "finetune": {"optim": {"epochs": 1}},
    }
    return dict(merge(least, change))


OPTIM = {"optim": {"steps": 1}}


def test_what_no_study_reads_need_not_be_given() -> None:
    cells = Grid(small()).variant({"pretrain": None}, ("mine",), 0, "here")
    assert set(cells) == {"clip", "zero_shot/mine", "finetune/mine", "fine_tuned/mine"}


@pytest.mark.parametrize(
    ("change", "variant", "message"),
    [
        ({}, {}, "here: pretrain: the experiment has none; give it there, or `pretrain: null` here"),
        ({}, {"pretrain": {"objective": "subtitle"}}, "here: pretrain.optim: Field required"),
        ({"pretrain": OPTIM}, {}, "here: pretrain.corpus: no 'large' here; known: none"),
        (
            {"pretrain": OPTIM, "roles": {"large": {"corpus": "mine"}}},
            {},
            "experiment own: captioner: captions of mine are asked for; name a captioner",
        ),
        (
            {"pretrain": {**OPTIM, "validate_every": 1}},
            {"pretrain": None},
            "experiment own: pretrain.validate_on: no 'msrvtt' here; known: mine",
        ),
    ],
)
def test_what_a_study_reads_and_is_not_there_is_named(
    change: dict[str, Any], variant: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Grid(small(**change)).variant(variant, ("mine",), 0, "here")


def test_a_gap_without_sources_is_named(tmp_path: Path) -> None:
    study = {"title": "a", "gap": True, "variants": {"mean": {"pretrain": None}}}
    (tmp_path / "studies.yaml").write_text(yaml.safe_dump({"studies": {"gap": study}}))
    with pytest.raises(ValueError, match="experiment own: gap_sources: a study asks for the language gap"):
        Grid(small(studies=str(tmp_path / "studies.yaml")))


@pytest.mark.slow
def test_the_path_of_the_documents_in_minutes(tmp_path: Path) -> None:
    """30 videos: init, one snakemake command, table, notebook, figure and page."""
    own(tmp_path, 30)
    (tmp_path / "clip").rename(tmp_path / "clip-vit-base-patch32")
    for name in ("Snakefile", "workflow", "analysis", "profiles", "environment.yml", "clipvip"):
        (tmp_path / name).symlink_to(ROOT / name)
    tools = Path(sys.executable).parent
    known = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    commands = (ROOT / "docs/own_data.md").read_text().split("```bash\n")[1].split("```")[0].splitlines()
    assert [line.split()[0] for line in commands] == ["clipvip", "snakemake", "clipvip"]
    for line in commands:
        words = line.replace("clipvip", f"{sys.executable} -m clipvip", 1) if line.startswith("clipvip") else line
        done = subprocess.run(words.split(), cwd=tmp_path, env=known, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
    made = tmp_path / "results/videos"
    assert len(pd.read_csv(made / "studies/pooling/table.csv")) == 2
    assert (made / "studies/pooling/figure.svg").is_file()
    text = (made / "report.html").read_text()
    assert [word for word in PAPER if word in text] == []
    notebook = nbformat.read(made / "notebooks/pooling.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [str(output.data.get("text/markdown", "")) for output in outputs if "data" in output]
    assert any("How should frames" in text for text in shown)
    assert not any("The paper" in text or "Verdicts" in text for text in shown)
