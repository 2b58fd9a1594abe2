"""Settings: unknown keys refused with the nearest right one, merging, canonical keys."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from clipvip.config.base import build, digest, merge, read_yaml
from clipvip.config.experiment import Experiment
from clipvip.config.learning import ModelSettings, OptimSettings
from clipvip.config.stages import PretrainSettings

ROOT = Path(__file__).parents[2]


def test_unknown_key_names_file_key_and_nearest() -> None:
    with pytest.raises(ValueError, match=r"x\.yaml: unknown key 'model\.num_proxy'; did you mean 'num_proxies'\?"):
        build(Experiment, {"model": {"num_proxy": 3}}, "x.yaml")


def test_nested_unknown_key_in_a_mapping_of_settings() -> None:
    data = {"corpora": {"a": {"format": "coco", "rot": "data"}}}
    with pytest.raises(ValueError, match=r"unknown key 'corpora\.a\.rot'; did you mean 'root'\?"):
        build(Experiment, data, "x.yaml")


def test_settings_are_frozen() -> None:
    settings = ModelSettings()
    with pytest.raises(ValueError, match="frozen"):
        settings.num_proxies = 8  # type: ignore[misc]


@pytest.mark.parametrize("data", [{"steps": 1, "epochs": 1.0}, {}])
def test_a_run_has_one_length(data: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="exactly one of `steps` and `epochs`"):
        build(OptimSettings, data, "optim")


def test_an_objective_is_a_name_or_its_terms() -> None:
    optim = {"steps": 1}
    named = build(PretrainSettings, {"optim": optim, "objective": "a"}, "p")
    spelt = build(
        PretrainSettings, {"optim": optim, "objective": [{"video": ["subtitle"]}, {"frame": ["caption"]}]}, "p"
    )
    assert named.terms == spelt.terms
    with pytest.raises(ValueError, match="objective 'e' is none of"):
        build(PretrainSettings, {"optim": optim, "objective": "e"}, "p")
    with pytest.raises(ValueError, match="objective names \\['captoin'\\]"):
        build(PretrainSettings, {"optim": optim, "objective": [{"video": ["captoin"]}]}, "p")


def test_merge_replaces_lists_and_null_and_merges_mappings() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": {"z": 1}}
    assert merge(base, {"a": {"y": [3]}, "b": None}) == {"a": {"x": 1, "y": [3]}, "b": None}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": {"z": 1}}


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1}) != digest({"a": 1, "b": [2, 1]})


@pytest.mark.parametrize("text", ["a: [1", None])
def test_a_bad_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.yaml"):
        read_yaml(path)


def test_conda_and_pip_pins_are_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {*project["dependencies"], *project["optional-dependencies"]["dev"]}
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert set(conda[-1]["pip"]) == pins
    assert all("==" in pin for pin in pins)


def test_the_image_has_the_same_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    image = (ROOT / "container.def").read_text()
    named = set(re.findall(r"[a-z0-9-]+==[0-9.]+", image))
    assert named == {pin for pin in project["dependencies"] if pin.startswith("torch==")}  # the rest as pip reads it:
    assert '"/opt/clipvip[cluster]"' in image
    assert all("==" in pin for pin in project["optional-dependencies"]["cluster"])
    assert f"From: {conda[0].replace('=', ':')}-" in image
    for name in re.findall(r"^ +(.+) /opt/clipvip\S*$", image, flags=re.MULTILINE):
        assert all((ROOT / each).exists() for each in name.split()), name
