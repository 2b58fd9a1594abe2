"""Weights are complete or refused: every tensor that is missing, surplus, of another shape or not a number is named."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

SHOWN = 8  # names of one kind in a line
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # types of weights
FLOAT_NAMES = ("F16", "BF16", "F32", "F64")  # the same in a safetensors file
COUNTS = "position_ids"  # ends the names of what only counts, which old files hold beside the weights


class Faulty(ValueError):
    """Weights are not what they should be; the line says which."""


def refuse_faults(
    where: str | Path,
    *,
    what: str,
    fix: str,
    missing: Iterable[str] = (),
    surplus: Iterable[str] = (),
    misshapen: Mapping[str, tuple[Iterable[int], Iterable[int]]] | None = None,
    types: Mapping[str, str] | None = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> None:
    """One `Faulty`, in one line, for all that is wrong with the weights of `where`; nothing where all is well.

    `misshapen`: name -> (shape found, shape wanted). `types`: name -> a type that no weight has. `tensors`: those whose
    types and values are looked at.
    """
    strange = {
        name: str(t.dtype).removeprefix("torch.") for name, t in (tensors or {}).items() if t.dtype not in FLOATS
    }
    strange |= types or {}
    shapes = {name: f"{name} ({list(a)}, not {list(b)})" for name, (a, b) in (misshapen or {}).items()}
    kinds = {
        "missing": sorted(missing),
        "surplus": sorted(surplus),
        "of another shape": [shapes[name] for name in sorted(shapes)],
        "of another type": [f"{name} ({strange[name]})" for name in sorted(strange)],
        "not finite": not_finite(tensors or {}),
    }
    if told := [f"{kind}: {_few(names)}" for kind, names in kinds.items() if names]:
        raise Faulty(f"{where}: not {what}; {'; '.join(told)}; {fix}")


def compare(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[set[str], set[str], dict[str, tuple[Iterable[int], Iterable[int]]]]:
    """Names that are missing and surplus, and name -> (shape found, shape wanted) of those that differ."""
    misshapen: dict[str, tuple[Iterable[int], Iterable[int]]] = {
        name: (tuple(found[name].shape), tuple(tensor.shape))
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    }
    return set(wanted) - set(found), set(found) - set(wanted), misshapen


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity."""
    floating = {name: tensor for name, tensor in tensors.items() if tensor.dtype in FLOATS and not tensor.is_meta}
    return sorted(name for name, tensor in floating.items() if not bool(torch.isfinite(tensor).all()))


def types_in(folder: Path) -> dict[str, str]:
    """Name -> type of the tensors of a folder that no weight has: whoever reads them as floats changes what they say.

    Of files of tensors alone; of a hub id, which is no folder, nothing.
    """
    whole = folder / "model.safetensors"
    found: dict[str, str] = {}
    for path in [whole] if whole.is_file() else sorted(folder.glob("model-*-of-*.safetensors")):
        with safe_open(path, "pt") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - no mapping
        found |= {name: kind.lower() for name, kind in types.items() if kind not in FLOAT_NAMES}
    if not whole.is_file():
        for path in sorted(folder.glob("pytorch_model*.bin")):
            found |= _types(load_tensors(path))
    return {name: kind for name, kind in found.items() if not name.endswith(COUNTS)}


def _types(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Name -> type of those that are no weights."""
    return {name: str(t.dtype).removeprefix("torch.") for name, t in tensors.items() if t.dtype not in FLOATS}


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; ValueError where it is not there or damaged."""
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; copy or convert the model anew") from None
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged: {why_refused(error)}; copy or convert the model anew") from None
    return tensors


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that torch.save wrote, or of a safetensors file, by name.

    ValueError where it holds anything else: no object of a pickle is ever made.
    """
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except Exception as error:  # bytes that are no pickle may raise anything
        raise ValueError(f"{path}: refused: {why_refused(error)}") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):  # a training checkpoint around it
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise ValueError(f"{path}: refused, it holds a {type(state).__name__}, not a mapping from names to tensors")
    if strange := [str(name) for name, value in state.items() if not (isinstance(name, str) and _is_tensor(value))]:
        raise ValueError(f"{path}: refused, not tensors: {', '.join(strange)}")
    return state


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; ValueError where it is none."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not JSON: {error}; copy or convert the model anew") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a mapping; copy or convert the model anew")
    return content


def why_refused(error: Exception) -> str:
    """The reason in one line; torch's own text advises to switch the protection off."""
    said = str(error)
    foreign = re.search(r"Unsupported (?:global|class|operand)[^\n.]*?: (?:GLOBAL )?([\w.]+)", said)
    if foreign:
        return f"contains objects other than tensors ({foreign[1]})"
    if "weights_only" in said or "Weights only" in said:
        return "not a checkpoint of tensors alone"
    return (said.strip() or "an empty file").splitlines()[0]


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def _few(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
