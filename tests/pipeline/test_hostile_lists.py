"""Lists of a workflow, links and tables of rates that mean harm, or nothing: one line each."""

import json
from pathlib import Path

import pytest

from clipvip.__main__ import main
from clipvip.config.base import read_yaml
from clipvip.results.tracking import links

NINE = [(f"k{n}", ", ".join([f"*k{n - 1}"] * 9)) for n in range(1, 9)]
BOMB = "k0: &k0 [x, x]\n" + "".join(f"{name}: &{name} [{held}]\n" for name, held in NINE)
CELL = {"title": "t", "kind": "k", "galleries": 1, "made": False, "job": "j"}
JOB = {"title": "t", "brief": "b", "needs": []}


@pytest.mark.parametrize(
    "held",
    [
        "",
        '{"cells": {"a/b',
        "[]",
        json.dumps({"cells": 1, "jobs": {}, "at_once": 1}),
        json.dumps({"cells": {}, "jobs": {}, "at_once": "many"}),
        json.dumps({"cells": {"a/b": {}}, "jobs": {}, "at_once": 1}),
        json.dumps({"cells": {"a/b": CELL}, "jobs": {}, "at_once": 1}),
        json.dumps({"cells": {"../../x": CELL}, "jobs": {"j": JOB}, "at_once": 1}),
        json.dumps({"cells": {"a/b": CELL}, "jobs": {"j": 1}, "at_once": 1}),
    ],
)
def test_a_cut_or_strange_list_is_one_line(tmp_path: Path, held: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results" / "mini" / "jobs.json"
    path.parent.mkdir(parents=True)
    path.write_text(held)
    assert main(["status", str(tmp_path / "results")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{path}: no list of a workflow" in said


@pytest.mark.parametrize(("text", "said"), [(BOMB, "more than 100,000 values"), ("!!python/name:os.x []", "not YAML")])
def test_rates_that_explode_are_one_line(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(text)
    assert main(["plan", "experiments/base_32.yaml", "--gpu", "h100", "--rates", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{path}: {said}" in told


def test_settings_of_gigabytes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.touch()
    with open(path, "r+b") as file:
        file.truncate(6 << 30)
    with pytest.raises(ValueError, match=r"large.yaml: 6,442 MB; no file of settings has more than 10"):
        read_yaml(path)


@pytest.mark.parametrize(
    "held",
    [
        "",
        "[]",
        '{"server": "", "links": 1}',
        '{"server": "", "links": [["a"], 1, ["a", "javascript:alert(1)"]]}',
    ],
)
def test_torn_and_strange_links_are_none(tmp_path: Path, held: str) -> None:
    (tmp_path / "mlflow.json").write_text(held)
    assert links.links(tmp_path) == []


def test_a_server_that_is_a_script_is_none(tmp_path: Path) -> None:
    held = {"server": "javascript:alert(1)//", "links": [["<b>x</b>", "/#/experiments/1"]]}
    (tmp_path / "mlflow.json").write_text(json.dumps(held))
    assert links.links(tmp_path) == [("<b>x</b>", f"{links.HERE}/#/experiments/1")]


def test_the_help_of_notebook_says_that_it_runs_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["notebook", "--help"])
    assert "Runs the code of a notebook" in " ".join(capsys.readouterr().out.split())
