"""docs/settings.md is what its generator writes, and no setting lacks a meaning."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from clipvip.config import data, experiment, learning, reference, resources, stages, study, sweep
from clipvip.runtime import options

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
MODELS = {
    model
    for module in (data, learning, stages, experiment, resources, study, sweep, options)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__.startswith("clipvip.")
}


def test_the_page_is_what_the_generator_writes() -> None:
    assert PAGE.read_text() == reference.page(), "run: python -m clipvip.config.reference > docs/settings.md"


@pytest.mark.parametrize("model", sorted(MODELS, key=lambda model: model.__name__), ids=lambda model: model.__name__)
def test_every_field_says_what_it_means(model: type[BaseModel]) -> None:
    silent = [name for name, field in model.model_fields.items() if not reference.meaning_and_unit(field)[0]]
    assert not silent, f"{model.__name__}: give {', '.join(silent)} a docstring below the field"


def test_every_field_of_an_experiment_is_on_the_page() -> None:
    text = PAGE.read_text()
    for model in reference.models():
        part = text.split(f"## {model.__name__}\n")[1].split("\n## ")[0]
        assert all(f"| `{name}` |" in part for name in model.model_fields)
