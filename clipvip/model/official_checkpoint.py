"""The authors' checkpoints and our folders, both ways, bit for bit (facts: a flat state dict of `clipmodel.` keys).

Only tensors are read: a pickle that asks for anything else is refused. Neither way passes through a model, so every
tensor keeps its type and its bits; the position ids of the official file, which merely count, are dropped and rebuilt.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from clipvip.config.learning import ModelSettings
from clipvip.model.clip_vip import ClipVip, copy_tokenizer, own_settings, read_config, write_config
from clipvip.runtime.files import written

PREFIXES = ("module.", "clipmodel.")
POSITION_IDS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
OFFICIAL = {
    "proxies": "vision_model.embeddings.added_cls",
    "temporal_embedding": "vision_model.embeddings.temporal_embedding",
}
OWN = {official: own for own, official in OFFICIAL.items()}


def from_official(path: str | Path, clip_folder: str | Path, out: str | Path) -> None:
    """The official checkpoint `path` as a folder of ours; `clip_folder` (a CLIP of that shape, or its hub id) gives
    the configuration and the tokenizer, never a weight.

    Raises ValueError for a file that is not tensors only, and one that lists every missing, surplus and misshapen key.
    """
    tensors = {_plain(name): tensor for name, tensor in _read_tensors(Path(path)).items()}
    tensors = {name: tensor for name, tensor in tensors.items() if name not in POSITION_IDS}
    tensors = {OWN.get(name, name): tensor for name, tensor in tensors.items()}
    proxies, temporal = tensors.get("proxies"), tensors.get("temporal_embedding")
    if temporal is not None and temporal.dim() == 3:
        tensors["temporal_embedding"] = temporal = temporal[0]
    if proxies is not None and len(proxies) == 0:  # one proxy is CLIP's class embedding alone
        del tensors["proxies"]
    num_proxies = 4 if proxies is None else len(proxies) + 1
    settings = ModelSettings(num_proxies=num_proxies, num_frames=12 if temporal is None else len(temporal))
    config = read_config(clip_folder)
    _check(tensors, config, settings, path)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(config, settings, folder)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, folder / "model.safetensors", metadata={"format": "pt"})
    copy_tokenizer(str(clip_folder), folder)


def to_official(folder: str | Path, path: str | Path) -> None:
    """A folder of ours as the authors' checkpoint; ValueError where the model is not one of proxies and time."""
    folder = Path(folder)
    settings = own_settings(folder)
    if settings is None or settings.pooling != "proxies" or settings.temporal is False:
        raise ValueError(f"{folder}: the official layout holds proxies with a temporal embedding, and nothing else")
    tensors = load_file(folder / "model.safetensors")
    config = read_config(folder)
    _check(tensors, config, settings, folder)
    like = tensors["temporal_embedding"]
    tensors.setdefault("proxies", like.new_empty(0, like.shape[1]))
    tensors["temporal_embedding"] = like[None]
    vision, text = config.vision_config, config.text_config
    counts = (text.max_position_embeddings, (vision.image_size // vision.patch_size) ** 2 + 1)
    tensors |= {name: torch.arange(count)[None] for name, count in zip(POSITION_IDS, counts, strict=True)}
    with written(Path(path)) as beside, beside.open("wb") as file:
        torch.save({f"clipmodel.{OFFICIAL.get(name, name)}": tensor for name, tensor in tensors.items()}, file)


def _plain(name: str) -> str:
    """The key without the wrappers it was saved in."""
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _why(error: Exception) -> str:
    """The reason in one line; torch's own text advises to switch the protection off."""
    foreign = re.search(r"Unsupported (?:global|class|operand)[^\n.]*?: (?:GLOBAL )?([\w.]+)", str(error))
    if foreign:
        return f"contains objects other than tensors ({foreign[1]})"
    return (
        "not a checkpoint that torch.load reads"
        if "weights_only" in str(error)
        else (str(error) or "an empty file").splitlines()[0]
    )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path}: refused: {_why(error)}") from None
    if not isinstance(state, dict):
        raise ValueError(f"{path}: refused, it holds a {type(state).__name__}, not a mapping from names to tensors")
    if strange := [str(name) for name, value in state.items() if not (isinstance(name, str) and _is_tensor(value))]:
        raise ValueError(f"{path}: refused, not tensors: {', '.join(strange)}")
    return state


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def _check(tensors: dict[str, Tensor], config: CLIPConfig, settings: ModelSettings, where: str | Path) -> None:
    """One ValueError for all that differs from a model of this shape, which is built without memory."""
    with torch.device("meta"):
        wanted = ClipVip(CLIPModel(config), settings).named_tensors()
    misshapen = {
        name: f" ({list(tensors[name].shape)}, not {list(tensor.shape)})"
        for name, tensor in wanted.items()
        if name in tensors and tensors[name].shape != tensor.shape
    }
    problems = {
        "missing": dict.fromkeys(set(wanted) - set(tensors), ""),
        "surplus": dict.fromkeys(set(tensors) - set(wanted), ""),
        "of another shape": misshapen,
    }
    told = []
    for problem, names in problems.items():
        if names:
            told.append(f"{problem}: " + ", ".join(sorted(OFFICIAL.get(name, name) + names[name] for name in names)))
    if told:
        raise ValueError(f"{where}: not a CLIP-ViP of this shape; " + "; ".join(told))
