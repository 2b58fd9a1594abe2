"""Every block of commands, Python or YAML in the documents is run or checked; so are commands in heads of files.

A block that cannot be is marked in its page by `<!--- skip: next "reason" -->`.
"""

import contextlib
import itertools
import re
import shutil
import unittest
from pathlib import Path
from typing import Any

import pytest
from examples import HEADS, PAGES, ROOT, check, check_yaml, commands_of_head, copy_of_the_project, indented, lines
from results_tree import Tree, data_scale, main, write_tables
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from video_files import ramp, write_video

here: dict[str, Path] = {}


def _published(tree: Tree, figures: Path) -> Path:
    """At the paper's scale, beside the published figures of a file; the released model is made up as well."""
    sets = ["msrvtt", "didemo"]
    rows = [tree.row("clip", 0, None, sets=sets), tree.row("clip_vip", 0, "d", pooling="proxies", sets=sets)]
    rows.append(tree.row("released", 0, "d", clips=6000, pooling="proxies", sets=sets))
    expect = ["released > clip on msrvtt/t2v/R@1"]
    return tree.study("published", rows, experiment="base_32", expect=expect, published=[str(figures), "base_32"])


def _bash(example: Example) -> None:
    for words in lines(example.parsed):
        check(words, here["workflow" if words[0] == "snakemake" else "results"])


def _yaml(example: Example) -> None:
    check_yaml(example.parsed)


SYBIL = Sybil(
    [
        SkipParser(),
        PythonCodeBlockParser(),
        CodeBlockParser(language="bash", evaluator=_bash),
        CodeBlockParser(language="yaml", evaluator=_yaml),
    ]
)


@pytest.fixture(scope="module", autouse=True)
def _projects(tmp_path_factory: pytest.TempPathFactory, tiny_clip_folder: Path) -> None:
    """One copy for the workflow, whose dry runs write plans, one with finished results, videos and a model."""
    for name in ("workflow", "results"):
        here[name] = copy_of_the_project(tmp_path_factory.mktemp(name))
    root = here["results"]
    tree = Tree(root)
    for folder in (data_scale(tree), main(tree), _published(tree, root / "experiments/published.yaml")):
        write_tables(folder)
    (root / "docs").mkdir()
    shutil.copy(ROOT / "README.md", root)
    shutil.copytree(tiny_clip_folder, root / "model")
    (root / "texts.txt").write_text("a red ring grows\nwater\n")
    (root / "videos").mkdir()
    for name in ("a", "b"):
        write_video(root / "videos" / f"{name}.mp4", ramp(16))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_a_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here["results"])
    for words in lines(indented(page)):
        check(words, here["workflow" if words[0] == "snakemake" else "results"])
    document: Any = SYBIL.parse(page)
    for example in document.examples():
        with contextlib.suppress(unittest.SkipTest):
            example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    marks = [line for line in page.read_text().splitlines() if line.startswith("<!--- skip")]
    assert all(re.fullmatch(r'<!--- skip: next "[^"]{10,}" -->', line) for line in marks), marks


@pytest.mark.parametrize("path", [path for path in HEADS if commands_of_head(path)], ids=lambda path: path.name)
def test_commands_in_the_head_of_a_file(path: Path) -> None:
    for words in itertools.chain.from_iterable(map(lines, commands_of_head(path))):
        check(words, here["workflow" if words[0] == "snakemake" else "results"])


def test_every_experiment_but_the_small_ones_says_how_it_is_run() -> None:
    for name in ("base_32", "base_16", "sweeps/pretrain", "sweeps/finetune"):
        assert commands_of_head(ROOT / f"experiments/{name}.yaml"), name


def test_a_strange_or_wrong_command_is_refused(tmp_path: Path) -> None:
    for words in (["rm", "x"], ["clipvip", "shwo", "x"], ["make", "nothing"], ["clipvip", "show"]):
        with pytest.raises(AssertionError):
            check(words, here["results"])
