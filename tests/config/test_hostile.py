"""Settings that mean harm, or nothing, are refused in one line that names the file and the key."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.config.base import build, merge, read_yaml
from clipvip.config.experiment import Experiment
from clipvip.pipeline.grid import Grid, load

ROOT = Path(__file__).parents[2]

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("text", [BOMB, "a: &a [*a]\n"])
def test_a_few_lines_never_become_billions_of_values(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^{path}: more than 100,000 values"):
        read_yaml(path)


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system [exit]", "a: [", "\x00", "[" * 5000])
def test_tags_and_what_is_no_yaml_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tag.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^{path}: not YAML"):
        read_yaml(path)


def test_a_folder_and_other_bytes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^{tmp_path}: Is a directory"):
        read_yaml(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"bytes.yaml: not YAML"):
        read_yaml(tmp_path / "bytes.yaml")


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "../../x"}),
    ("name", {"name": "=1+1"}),
    ("name", {"name": ""}),
    ("seeds", {"seeds": [-1]}),
    ("clip.seed", {"clip": {"seed": -1}}),
    ("finetune.optim.lr", {"finetune": {"optim": {"lr": -1e-3}}}),
    ("finetune.optim.lr", {"finetune": {"optim": {"lr": float("nan")}}}),
    ("pretrain.optim.batch_size", {"pretrain": {"optim": {"batch_size": 0}}}),
    ("pretrain.optim.steps", {"pretrain": {"optim": {"steps": -5}}}),
    ("corpora", {"corpora": {"../away": {"format": "coco", "root": "x"}}}),
]


@pytest.mark.parametrize(("key", "change"), REFUSED, ids=[str(change) for _, change in REFUSED])
def test_bad_names_seeds_and_rates_are_refused_by_key(
    key: str, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    smoke = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    with pytest.raises(ValueError, match=key):
        Grid(merge(smoke, change))


@pytest.mark.parametrize("name", ["../away", "=cmd", "a/b", ""])
def test_a_study_or_variant_whose_name_is_no_name_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    smoke = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    path = tmp_path / "studies.yaml"
    plain = {"title": "t", "claim": "c", "variants": {"a": {"pretrain": None}}}
    for studies in ({name: plain}, {"s": {**plain, "variants": {name: {"pretrain": None}}}}):
        path.write_text(yaml.safe_dump({"studies": studies}))
        with pytest.raises(ValueError, match=str(path)):
            Grid({**smoke, "studies": str(path)})


def numbers(settings: Any, *place: str) -> Iterator[tuple[str, ...]]:
    """Where a number stands in settings."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from numbers(value, *place, key)
    elif isinstance(settings, int | float) and not isinstance(settings, bool):
        yield place


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, -math.inf, 10**30])
@pytest.mark.parametrize("name", ["mini", "base_32"])
def test_no_number_of_an_experiment_is_below_zero_or_none_or_beyond_all_measure(name: str, value: float) -> None:
    whole = load([ROOT / f"experiments/{name}.yaml"], {}).experiment.model_dump(mode="json")
    whole.pop("finetune_sets")  # read with those of all sets, in the next test
    places = list(numbers(whole))
    assert len(places) > 100
    for *above, last in places:
        changed = json.loads(json.dumps(whole))
        node = changed
        for key in above:
            node = node[key]
        node[last] = value
        with pytest.raises(ValueError, match=rf"^experiment: .*{last}: Input should be ") as refused:
            build(Experiment, changed, "experiment")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", ["num_frames", "max_tokens", "optim.epochs", "optim.lr"])
@pytest.mark.parametrize("value", [-1, math.nan, 10**30])
def test_no_number_of_a_single_set_is_either(key: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    changes: Any = value
    for part in reversed(["finetune_sets", "msrvtt", *key.split(".")]):
        changes = {part: changes}
    with pytest.raises(ValueError, match=rf"experiment mini: .*finetune_sets: msrvtt: {key}: Input should be "):
        load([ROOT / "experiments/mini.yaml"], changes)


@pytest.mark.parametrize(
    "key",
    ["model.num_frames", "finetune.num_frames", "captions.num_frames", "frames.size", "model.num_proxies",
     "corpora.msrvtt.world.galleries", "corpora.msrvtt.world.frames", "run.shards", "clip.shape.vision_width"],
)  # fmt: skip
def test_a_billion_of_what_lies_in_memory_is_refused(key: str) -> None:
    changes: Any = 10**9
    for part in reversed(key.split(".")):
        changes = {part: changes}
    with pytest.raises(ValueError, match=rf"{key}: Input should be less than or equal to 1"):
        load([ROOT / "experiments/mini.yaml"], changes)
