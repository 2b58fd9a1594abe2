"""The authors' checkpoints and our folders, both ways, bit for bit (facts: a flat state dict of `clipmodel.` keys).

Only tensors are read: a pickle that asks for anything else is refused. Neither way passes through a model, so every
tensor keeps its type and its bits; the position ids of the official file, which merely count, are dropped and rebuilt.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPModel, PretrainedConfig

from clipvip.config.learning import ModelSettings
from clipvip.model.clip_vip import ClipVip
from clipvip.model.completeness import compare, load_safetensors, load_tensors, refuse_faults
from clipvip.model.model_folder import WEIGHTS, copy_tokenizer, own_settings, write_config
from clipvip.model.source import read_config
from clipvip.runtime.files import written

PREFIXES = ("module.", "clipmodel.")
POSITION_IDS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
OFFICIAL = {
    "proxies": "vision_model.embeddings.added_cls",
    "temporal_embedding": "vision_model.embeddings.temporal_embedding",
}
OWN = {official: own for own, official in OFFICIAL.items()}


def from_official(path: str | Path, clip_folder: str | Path, out: str | Path) -> ModelSettings:
    """The official checkpoint `path` as a folder of ours, and the settings found in it; `clip_folder` (a CLIP of that
    shape, or its hub id) gives the configuration and the tokenizer, never a weight.

    Raises ValueError for a file that is not tensors only, and one that names every missing, surplus, misshapen and
    not finite tensor.
    """
    tensors = plain_names(load_tensors(Path(path)), path)
    tensors = {name: tensor for name, tensor in tensors.items() if name not in POSITION_IDS}
    tensors = {OWN.get(name, name): tensor for name, tensor in tensors.items()}
    proxies, temporal = tensors.get("proxies"), tensors.get("temporal_embedding")
    if temporal is not None and temporal.dim() == 3:
        if len(temporal) != 1:
            raise ValueError(
                f"{path}: {OFFICIAL['temporal_embedding']} is {list(temporal.shape)}; one row [1, frames, width] is "
                "read; take the original file"
            )
        tensors["temporal_embedding"] = temporal = temporal[0]
    if proxies is not None and len(proxies) == 0:  # one proxy is CLIP's class embedding alone
        del tensors["proxies"]
    num_proxies = 4 if proxies is None else len(proxies) + 1
    settings = ModelSettings(num_proxies=num_proxies, num_frames=12 if temporal is None else len(temporal))
    config = _clip_config(clip_folder)
    fix = f"take the original file, and a CLIP of its shape (asked: {clip_folder})"
    _check(tensors, config, settings, path, fix)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(config, settings, folder)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, folder / WEIGHTS, metadata={"format": "pt"})
    copy_tokenizer(str(clip_folder), folder)
    return settings


def to_official(folder: str | Path, path: str | Path) -> None:
    """A folder of ours as the authors' checkpoint; ValueError where the model is not one of proxies and time, or is
    damaged."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; --to-official takes a model folder of ours")
    settings = own_settings(folder)
    if settings is None or settings.pooling != "proxies" or settings.temporal is False:
        raise ValueError(f"{folder}: the official layout holds proxies with a temporal embedding, and nothing else")
    config = _clip_config(folder)
    tensors = load_safetensors(folder / WEIGHTS)
    _check(tensors, config, settings, folder, "copy or convert the model anew")
    like = tensors["temporal_embedding"]
    tensors.setdefault("proxies", like.new_empty(0, like.shape[1]))
    tensors["temporal_embedding"] = like[None]
    vision, text = config.vision_config, config.text_config
    counts = (text.max_position_embeddings, (vision.image_size // vision.patch_size) ** 2 + 1)
    tensors |= {name: torch.arange(count)[None] for name, count in zip(POSITION_IDS, counts, strict=True)}
    with written(Path(path)) as beside, beside.open("wb") as file:
        torch.save({f"clipmodel.{OFFICIAL.get(name, name)}": tensor for name, tensor in tensors.items()}, file)


def plain_names(tensors: dict[str, Tensor], where: str | Path) -> dict[str, Tensor]:
    """Keys without the wrappers they were saved in; ValueError where that makes two of them one."""
    found: dict[str, Tensor] = {}
    twice = []
    for name, tensor in tensors.items():
        plain = _plain(name)
        twice += [plain] if plain in found else []
        found[plain] = tensor
    if twice:
        raise ValueError(
            f"{where}: {len(twice)} tensors stand there twice, with and without {' or '.join(PREFIXES)}, for example "
            f"{twice[0]}; keep one state dict of the file"
        )
    return found


def _plain(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _clip_config(source: str | Path) -> PretrainedConfig:
    config = read_config(source)
    if config.model_type != "clip":
        raise ValueError(f"{source}: a {config.model_type}; the official layout is CLIP's")
    return config


def _check(
    tensors: dict[str, Tensor], config: PretrainedConfig, settings: ModelSettings, where: str | Path, fix: str
) -> None:
    """One ValueError for all that differs from a model of this shape, which is built without memory."""
    with torch.device("meta"):
        wanted = ClipVip(CLIPModel(config), settings).named_tensors()

    def official(names: dict[str, Tensor]) -> dict[str, Tensor]:
        return {OFFICIAL.get(name, name): tensor for name, tensor in names.items()}

    found = official(tensors)
    missing, surplus, misshapen = compare(found, official(wanted))
    what = "a CLIP-ViP of this shape"
    refuse_faults(where, what=what, fix=fix, missing=missing, surplus=surplus, misshapen=misshapen, tensors=found)
