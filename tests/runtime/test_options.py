"""An option of a run is written once: experiment files, flags and stages follow from it."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from clipvip.config.base import build
from clipvip.config.experiment import RunSettings
from clipvip.runtime.context import Run
from clipvip.runtime.options import RunOptions, add_flags, given, words

CHANGED = {
    "device": "cuda:1",
    "workers": 3,
    "loader_mb": 100,
    "micro_batch": 8,
    "compile": "inductor",
    "recompute": True,
    "checkpoint_seconds": 1.5,
    "stuck_minutes": 0.5,
    "object_store": "s3://bucket/results",
    "verify": True,
}


def parsed(said: list[str]) -> dict[str, object]:
    parser = ArgumentParser()
    add_flags(parser)
    return given(parser.parse_args(said))


def test_every_option_stands_in_settings_flags_and_context(tmp_path: Path) -> None:
    assert set(CHANGED) == set(RunOptions.model_fields)
    settings = build(RunSettings, CHANGED, "run")
    assert parsed(words(settings)) == CHANGED
    assert Run(work=tmp_path, **parsed(words(settings))).model_dump(include=set(CHANGED)) == CHANGED


def test_help_says_each_default() -> None:
    parser = ArgumentParser()
    add_flags(parser)
    said = " ".join(parser.format_help().split())
    for default in (
        "which then every job takes (default: cpu)",
        "0: none (default: 0)",
        "(default: not given)",
        "(default: off)",
    ):
        assert default in said


def test_defaults_need_no_words() -> None:
    assert words(RunOptions()) == []
    assert parsed([]) == RunOptions().model_dump()
    assert all(field.description for field in RunOptions.model_fields.values())


@pytest.mark.parametrize(("key", "value"), [("micro_batch", 0), ("workers", -1), ("compile", "gcc")])
def test_a_value_out_of_range_is_refused_with_its_key(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^run: {key}: "):
        build(RunSettings, {key: value}, "run")
