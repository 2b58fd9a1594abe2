"""The reference of all settings as Markdown, from the models themselves: `python -m clipvip.config.reference`."""

import json
import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from clipvip.config.experiment import Experiment
from clipvip.config.study import StudySettings
from clipvip.config.sweep import SweepSettings, Value

HEAD = """# Settings

<!-- Written by `python -m clipvip.config.reference`; a test compares. Edit the docstrings of the fields instead. -->

Every key of an experiment file, of `experiments/studies.yaml` and of a sweep. Units stand in their own column; a
default of *required* means that the file must give the key. Unknown keys are refused, with the nearest right one named.
Of an experiment only `run` is not part of a cell's key.
"""

TOPS: tuple[type[BaseModel], ...] = (Experiment, StudySettings, SweepSettings)  # one for each kind of file


def page() -> str:
    """The whole page: a table a model, in the order in which an experiment file names them."""
    tables = [section(model, places) for top in TOPS for model, places in models(top).items()]
    return "\n".join([HEAD, *tables])


def models(top: type[BaseModel] = Experiment) -> dict[type[BaseModel], list[str]]:
    """Every settings model below `top`, with the dotted places where it stands."""
    found: dict[type[BaseModel], list[str]] = {}

    def visit(model: type[BaseModel], place: str) -> None:
        found.setdefault(model, []).append(place)
        for name, field in model.model_fields.items():
            many = ".<name>" if get_origin(field.annotation) is dict else ""
            for inner in _inner(field.annotation):
                visit(inner, f"{place}.{name}{many}".removeprefix("."))

    visit(top, "")
    return found


def section(model: type[BaseModel], places: list[str]) -> str:
    """One model: where it stands, what it is, a row a field."""
    title = f"## {model.__name__}\n"
    where = f"At {', '.join(f'`{place}`' for place in places)}. " if places != [""] else ""
    about = " ".join((model.__doc__ or "").split())
    rows = [f"| {' | '.join(row)} |" for row in _rows(model)]
    return "\n".join([title, f"{where}{about}\n", *rows, ""])


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str, str]]:
    yield "name", "type", "unit", "default", "meaning"
    yield ("---",) * 5
    for name, field in model.model_fields.items():
        meaning, unit = meaning_and_unit(field)
        yield (
            f"`{name}`",
            _kind(field.annotation),
            unit,
            _default(field),
            meaning.replace("|", "\\|").replace("<", "&lt;"),
        )


def meaning_and_unit(field: FieldInfo) -> tuple[str, str]:
    """The description without its unit, and the unit in square brackets at its end (empty: none)."""
    match = re.fullmatch(r"(.*?)(?: \[([^\]]+)\])?", " ".join((field.description or "").split()))
    assert match is not None
    return match[1], match[2] or ""


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)


def _kind(annotation: Any) -> str:
    """A type as a reader of YAML knows it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts))
    if origin is Annotated:
        return _kind(parts[0])
    if origin is dict:
        return f"mapping to {_kind(parts[1])}"
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if annotation is NoneType:
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if annotation == Value:
        return "text, number, or true or false"
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}
    return plain[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "its defaults"
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(page(), end="")
