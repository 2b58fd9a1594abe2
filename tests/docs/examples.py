"""Commands as printed in documents and heads of files: run, checked dry, or refused."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from clipvip.__main__ import main
from clipvip.commands.tree import parser
from clipvip.config.base import build
from clipvip.config.data import CorpusSettings
from clipvip.config.experiment import PublishedSettings, RunSettings
from clipvip.config.study import StudySettings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
HEADS = [
    *sorted((ROOT / "experiments").rglob("*.yaml")),
    *sorted((ROOT / "profiles").rglob("*.yaml")),
    ROOT / "Snakefile",
]
PARTS = (
    "Snakefile",
    "Makefile",
    "environment.yml",
    "pyproject.toml",
    "experiments",
    "workflow",
    "analysis",
    "profiles",
)
TOOLS = "(?:snakemake|clipvip|make|pytest|python|pip|conda)"
HEAD = re.compile(r"#.*?\b((?:snakemake|clipvip|make) [^`]*)")
REALLY = ("show", "results-page", "cells", "clean", "embed")  # these `clipvip` commands are run, others only parsed


def copy_of_the_project(root: Path) -> Path:
    """What commands need below `root`, with the example study of the documents among the studies."""
    for name in PARTS:
        place = ROOT / name
        shutil.copytree(place, root / name) if place.is_dir() else shutil.copy(place, root / name)
    (root / "clipvip").symlink_to(ROOT / "clipvip")
    with open(root / "experiments/studies.yaml", "a") as file:
        file.write(block(ROOT / "docs/studies.md", "yaml"))
    best = root / "results/mini/sweeps/pretrain/best.yaml"
    best.parent.mkdir(parents=True)
    best.write_text("name: mini_pretrain_best\npretrain: {objective: d, optim: {lr: 2.0e-3}}\n")
    published = textwrap.dedent(block(ROOT / "docs/reproducing.md", "yaml"))
    (root / "published.yaml").write_text(published)
    weights = yaml.safe_load(published)["published"]["weights"]
    (root / weights).write_bytes(b"released")  # a dry run takes its digest and reads no tensor
    return root


def block(page: Path, language: str) -> str:
    """The first block of this language."""
    return page.read_text().split(f"```{language}\n")[1].split("```")[0]


def indented(page: Path) -> str:
    """Commands in indented blocks, as some pages have them outside of fences."""
    outside = "".join(page.read_text().split("```")[::2])
    return "\n".join(re.findall(rf"^    ({TOOLS} .*)$", outside, re.MULTILINE))


def commands_of_head(path: Path) -> list[str]:
    """Commands in the comments of a file."""
    found = (HEAD.match(line.strip()) for line in path.read_text().splitlines())
    return [match[1] for match in found if match]


def lines(text: str) -> Iterator[list[str]]:
    """The words of each command of a block; comments are left out, `> file` too."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words[: words.index(">")] if ">" in words else words


def check(words: list[str], here: Path) -> None:
    """Run one command, or what of it can be checked; AssertionError shows what it said. A strange tool is refused."""
    tool, *rest = words
    if tool == "clipvip":
        _clipvip([each for word in rest for each in _expanded(word, here)], here)
    elif tool == "snakemake":
        _dry(rest, here)
    elif tool == "make":
        _run(["make", "-n", *rest], here)
    elif tool == "python" and rest[:3] == ["-m", "pip", "install"]:
        extras = re.findall(r"\[(\w+)\]", rest[-1])  # of this project: only looked for, nothing is installed
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert extras, "a package that is not of this project"
        assert set(extras) <= set(known), extras
    elif tool == "python" and rest[0] == "-m":
        _run([sys.executable, *rest], here)
    elif tool == "python" and rest[0].endswith(".py"):
        assert (ROOT / rest[0]).is_file(), rest[0]
    elif tool == "pytest":
        assert all((ROOT / word.split("::")[0]).exists() for word in rest if word.startswith("tests"))
    else:
        raise AssertionError(f"{shlex.join(words)}: not known here; mark the block `skip: next` with the reason")


def check_yaml(text: str) -> None:
    """A piece of an experiment file, or a study: built as settings."""
    data = yaml.safe_load(text)
    for name, part in data.items():
        if name == "corpora":
            for key, corpus in part.items():
                build(CorpusSettings, corpus, key)
        elif name == "run":
            build(RunSettings, part, name)
        elif name == "published":
            build(PublishedSettings, part, name)
        else:
            build(StudySettings, part, name)


def _expanded(word: str, here: Path) -> list[str]:
    return sorted(str(path.relative_to(here)) for path in here.glob(word)) if "*" in word else [word]


def _clipvip(words: list[str], here: Path) -> None:
    try:
        parser().parse_args(words)
    except SystemExit as error:
        if not error.code:  # --version, --help
            return
        raise AssertionError(f"clipvip {shlex.join(words)}: its flags are not understood") from error
    if words[0] in REALLY:
        before = Path.cwd()
        os.chdir(here)
        try:
            assert main(words) == 0, f"clipvip {shlex.join(words)}"
        finally:
            os.chdir(before)


def _dry(words: list[str], here: Path) -> None:
    """As printed, but for `-n`; a profile for another executor needs its plugin, so that is only looked for."""
    rest = [word for word in words if word != "-n"]
    for flag in ("--profile", "--cores"):
        if flag in rest:
            at = rest.index(flag)
            assert flag == "--cores" or (here / rest[at + 1] / "config.yaml").is_file()
            del rest[at : at + 2]
    _dry_run(tuple(rest), here)


@cache
def _dry_run(words: tuple[str, ...], here: Path) -> None:
    """Each target once, however often it is printed."""
    _run([str(Path(sys.executable).with_name("snakemake")), "-n", "-q", "--cores", "1", *words], here)


def _run(words: list[str], here: Path) -> None:
    paths = {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=here, env={**os.environ, **paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
