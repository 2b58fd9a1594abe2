"""Folders of models: which kinds there are, what stands in ours, and weights that are complete or refused.

A folder of ours is a transformers folder with a section `clip_vip` in its config.json and up to two tensors more
(`proxies`, `temporal_embedding`): transformers opens it as the plain model inside.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModel, PretrainedConfig
from transformers.utils import CONFIG_NAME
from transformers.utils import logging as transformers_logging

from clipvip.config.base import build
from clipvip.config.learning import ModelSettings
from clipvip.model.completeness import Faulty, load_safetensors, read_json, refuse_faults, types_in, why_refused
from clipvip.model.pixels import Pixels, write_pixels
from clipvip.model.source import KINDS, ODD, VOCABULARIES, read_config, read_tokenizer
from clipvip.model.video_encoder import has_temporal, new_proxies
from clipvip.runtime.files import write_whole

transformers_logging.disable_progress_bar()  # a bar for each file of weights says nothing
OWN = ("proxies", "temporal_embedding")
WEIGHTS = "model.safetensors"
TOKENIZER_FILES = (
    *VOCABULARIES,
    "tokenizer_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
)


def own_settings(source: str | Path) -> ModelSettings | None:
    """The settings in a folder that `save_pretrained` of ours wrote; None for any other source."""
    path = Path(source) / CONFIG_NAME
    section = read_json(path).get("clip_vip") if path.is_file() else None
    return None if section is None else build(ModelSettings, section, f"{path}: clip_vip")


def write_config(config: PretrainedConfig, settings: ModelSettings, folder: Path) -> None:
    """transformers' config.json with our section, without the place that the model was read from."""
    architectures = [KINDS[config.model_type]]
    content = {**config.to_dict(), "architectures": architectures, "clip_vip": settings.model_dump()}
    content.pop("_name_or_path", None)
    write_whole(folder / CONFIG_NAME, json.dumps(content, indent=2, sort_keys=True) + "\n")


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """The files of a tokenizer, or of a processor with one. The library would write down how its last call cut and
    padded, which a run that goes on from its last step never did: the files would differ."""
    own = getattr(tokenizer, "tokenizer", tokenizer)
    if (backend := getattr(own, "backend_tokenizer", None)) is not None:
        backend.no_truncation()
        backend.no_padding()
    tokenizer.save_pretrained(folder)


def copy_tokenizer(source: str, folder: Path, pixels: Pixels | None = None, kind: str = "clip") -> None:
    """The tokenizer of a folder (its files, where it has any) or of a hub id, and how pixels are scaled."""
    if not Path(source).is_dir():
        save_tokenizer(read_tokenizer(source), folder)
    else:
        for path in (Path(source) / name for name in TOKENIZER_FILES):
            if path.is_file() and path.parent.resolve() != folder.resolve():
                shutil.copyfile(path, folder / path.name)
    if pixels is not None:
        write_pixels(pixels, kind, folder)


def read_model(source: str | Path, own: ModelSettings | None) -> tuple[Any, dict[str, Tensor]]:
    """The transformers model at `source` in fp32, and the tensors of ours where `own` says that it is a folder of ours.

    ValueError, in one line, for weights that cannot be read, and for every tensor that is missing, surplus, of another
    shape or type, or not finite.
    """
    config = read_config(source)
    what = "a CLIP-ViP with all its weights" if own else "a CLIP with all its weights"
    fix = "copy or convert it anew" if own else "give a CLIP folder whose weights and config.json belong together"
    refuse = partial(refuse_faults, source, what=what, fix=fix)
    model, report = _read(source, config, refuse)
    tensors = _own_tensors(Path(source)) if own else {}
    wanted = _own_shapes(config, own) if own else {}
    misshapen = {name: (found, shape) for name, found, shape in report["mismatched_keys"]}
    misshapen |= {
        name: (tuple(tensor.shape), wanted[name])
        for name, tensor in tensors.items()
        if name in wanted and tuple(tensor.shape) != wanted[name]
    }
    surplus = set(report["unexpected_keys"]) - (set(OWN) if own else set())
    refuse(
        missing={*map(str, report["missing_keys"]), *(set(wanted) - set(tensors))},
        surplus={*surplus, *(set(tensors) - set(wanted))},
        misshapen=misshapen,
        tensors={**model.state_dict(), **tensors},
    )
    return model, tensors


def _read(source: str | Path, config: PretrainedConfig, refuse: Callable[..., None]) -> tuple[Any, dict[str, Any]]:
    """The model in fp32, and transformers' report of it; types are looked at first, since reading changes them."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # its report would say in a table what is refused in a line
    try:
        refuse(types=types_in(Path(source)))
        model, report = AutoModel.from_pretrained(
            str(source),
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
        )
    except Faulty:
        raise
    except (OSError, SafetensorError, UnpicklingError, *ODD) as error:
        said = f"{source}: its weights cannot be read: {why_refused(error)}"
        raise ValueError(f"{said}; copy or convert the model anew") from None
    finally:
        transformers_logging.set_verbosity(level)
    return model, report


def _own_tensors(folder: Path) -> dict[str, Tensor]:
    tensors = load_safetensors(folder / WEIGHTS)
    return {name: tensors[name] for name in OWN if name in tensors}


def _own_shapes(config: Any, settings: ModelSettings) -> dict[str, tuple[int, int]]:
    """What a folder of these settings holds beside the plain model."""
    width = config.vision_config.hidden_size
    extra = new_proxies(settings, class_token=config.model_type != "siglip")
    found = {"proxies": (extra, width)} if extra else {}
    return found | ({"temporal_embedding": (settings.num_frames, width)} if has_temporal(settings) else {})
