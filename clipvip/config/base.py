"""What all settings share: frozen, unknown keys refused with the nearest right one, merging, canonical JSON."""

import difflib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"  # names folders, files and columns: leaves no root, begins no formula
Name = Annotated[str, StringConstraints(pattern=NAME)]
Size = Annotated[int, Field(ge=1, le=100_000)]  # of what lies in memory: for more no machine has room
Count = Annotated[int, Field(ge=1, le=10**12)]  # of clips, steps, minutes: more is a slip
Whole = Annotated[int, Field(ge=0, le=10**12)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Amount = Annotated[float, Field(ge=0, le=1e12)]
Positive = Annotated[float, Field(gt=0, le=1e12)]


class Settings(BaseModel):
    """Frozen settings; a key that no field has is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
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
        named = next(iter(node.get("patternProperties", {}).values()), None)  # a mapping whose keys are names
        other = named or node.get("additionalProperties") or node.get("items") or {}
        node = node.get("properties", {}).get(key) or other
        options = [node, *node.get("anyOf", [])]
        reference = next((option["$ref"] for option in options if "$ref" in option), None)
        node = definitions[reference.split("/")[-1]] if reference else node
    return list(node.get("properties", {}))


EITHER = ({"steps", "epochs"},)  # of these keys a mapping has one


def merge(base: Any, change: Any) -> Any:
    """`change` over `base`: mappings merge key by key, everything else (lists, scalars, null) replaces.

    Where `change` has one of the keys of EITHER, it takes the place of the other: steps replace epochs.
    """
    if isinstance(base, dict) and isinstance(change, dict):
        gone = {key for keys in EITHER for key in keys - set(change) if keys & set(change)}
        kept = {key: value for key, value in base.items() if key not in gone}
        return {**kept, **{key: merge(kept.get(key), value) for key, value in change.items()}}
    return change


def _why(error: Exception) -> str:
    """The fault in one line, with its place."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark, about = error.problem_mark, f"{error.context}: " if error.context else ""
        return f"line {mark.line + 1}, column {mark.column + 1}: {about}{error.problem}"
    return " ".join(str(error).split())


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; ValueError names the file where it is empty or holds anything else."""
    found = read_yaml(path)
    if not isinstance(found, dict):
        held = "nothing" if found is None else f"a {type(found).__name__}"
        raise ValueError(f"{path}: holds {held}; a mapping is read (`key: value` lines), as in experiments/mini.yaml")
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a question, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"


MOST = 100_000  # values of a YAML file
LARGEST = 10_000_000  # bytes of one


def read_yaml(path: str | Path) -> Any:
    """The YAML file as plain data; ValueError names the file."""
    try:
        if (size := Path(path).stat().st_size) > LARGEST:
            raise ValueError(f"{path}: {size / 1e6:,.0f} MB; no file of settings has more than {LARGEST / 1e6:.0f}")
        data = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not YAML: {_why(error)}") from None
    if not _is_small(data):
        raise ValueError(f"{path}: more than {MOST:,} values once its aliases are written out; write them out")
    return data


def _is_small(data: Any) -> bool:
    """Whether it has few values; aliases of aliases make billions of a few lines, or no end."""
    waiting, count = [data], 0
    while waiting and count <= MOST:
        each = waiting.pop()
        count += 1
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return not waiting


def canonical(data: Any) -> str:
    """Canonical JSON: sorted keys, no white space."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(data: Any) -> str:
    """First 12 hex digits of SHA-256 over canonical JSON."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()[:12]
