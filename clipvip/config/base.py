"""What all settings share: frozen, unknown keys refused with the nearest right one, merging, canonical JSON."""

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """Frozen settings; a key that no field has is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    unkeyed: ClassVar[tuple[str, ...]] = ()  # fields that say where something lies and not what it is


Model = TypeVar("Model", bound=BaseModel)


def build(model: type[Model], data: Any, where: str) -> Model:
    """`data` as `model`; a ValueError names `where`, the key and, for an unknown key, the nearest right one."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(model, problem, where) for problem in error.errors()]
        raise ValueError("\n".join(lines)) from None


def _explain(model: type[BaseModel], problem: Any, where: str) -> str:
    keys = [str(part) for part in problem["loc"]]
    key = ".".join(keys)
    if problem["type"] != "extra_forbidden":
        return f"{where}: {key or 'settings'}: {problem['msg'].removeprefix('Value error, ')}"
    fields = _fields_at(model, keys[:-1])
    near = difflib.get_close_matches(keys[-1], fields, n=1, cutoff=0.5)
    return f"{where}: unknown key {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}")


def _fields_at(model: type[BaseModel], keys: list[str]) -> list[str]:
    schema: Any = model.model_json_schema()
    definitions, node = schema.get("$defs", {}), schema
    for key in keys:
        node = node.get("properties", {}).get(key) or node.get("additionalProperties") or node.get("items") or {}
        options = [node, *node.get("anyOf", [])]
        reference = next((option["$ref"] for option in options if "$ref" in option), None)
        node = definitions[reference.split("/")[-1]] if reference else node
    return list(node.get("properties", {}))


def merge(base: Any, change: Any) -> Any:
    """`change` over `base`: mappings merge key by key, everything else (lists, scalars, null) replaces."""
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: merge(base.get(key), value) for key, value in change.items()}}
    return change


def read_yaml(path: str | Path) -> Any:
    """The YAML file as plain data; ValueError names the file."""
    try:
        return yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}") from None


def canonical(data: Any) -> str:
    """Canonical JSON: sorted keys, no white space."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(data: Any) -> str:
    """First 12 hex digits of SHA-256 over canonical JSON."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()[:12]
