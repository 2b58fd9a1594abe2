"""Where a model is read from, a folder or a hub id: that it is there, what its config.json builds, its tokenizer."""

import warnings
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, AutoModel, AutoTokenizer, PretrainedConfig
from transformers.utils import CONFIG_NAME

from clipvip.runtime.content import refuse_absent

# model_type of config.json -> the class of transformers; OpenCLIP and MetaCLIP checkpoints are mostly of type "clip",
# the SigLIP 2 ones of a fixed resolution of type "siglip"
KINDS = {"clip": "CLIPModel", "metaclip_2": "MetaClip2Model", "siglip": "SiglipModel"}
NOT_READ = {
    "siglip2": "SigLIP 2 of variable resolution (NaFlex) cuts each image into another number of patches, and a video "
    "encoder needs the same of every frame; take a SigLIP 2 of one resolution, such as siglip2-base-patch16-224"
}
VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")
# what transformers raises where a file holds something else than it should
ODD = (StrictDataclassError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def read_config(source: str | Path) -> PretrainedConfig:
    """The configuration of the model at `source`; ValueError, in one line, where there is none, or one of another kind,
    or one that builds no model."""
    refuse_absent(str(source))
    if Path(source).is_dir() and not (Path(source) / CONFIG_NAME).is_file():
        raise ValueError(f"{source}: no {CONFIG_NAME} there; a model folder has one beside its weights")
    try:
        content, _ = PretrainedConfig.get_config_dict(str(source))
    except (OSError, *ODD) as error:
        raise ValueError(f"{source}: its config.json cannot be read: {first_line(error)}; copy it anew") from None
    kind = content.get("model_type")
    if kind not in KINDS:
        known = NOT_READ.get(str(kind)) or f"known: {', '.join(KINDS)}"
        raise ValueError(f"{source}: its config.json describes a {kind!r}, not a CLIP; {known}")
    if content.get("quantization_config") is not None:
        raise ValueError(f"{source}: its weights are quantised (quantization_config in its config.json); take others")
    try:
        config = CONFIG_MAPPING[kind].from_dict(content)
        with torch.device("meta"), warnings.catch_warnings():  # takes no memory
            warnings.simplefilter("error")  # of tensors without elements
            AutoModel.from_config(config)
    except (UserWarning, *ODD) as error:
        said = f"{type(error).__name__}: {last_line(error)}"
        raise ValueError(f"{source}: its config.json builds no model ({said}); copy it anew") from None
    if kind == "siglip":
        _complete_siglip(config, source)
    return config


def _complete_siglip(config: Any, source: str | Path) -> None:
    """Padding is read by this tower, so it must be the tokenizer's; a tower without its head reads nothing out."""
    if not config.vision_config.vision_use_head:
        raise ValueError(f"{source}: a SigLIP without head (vision_use_head) gives no image embedding; take another")
    try:
        pad = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False).pad_token_id
    except (OSError, ValueError):
        return  # without a tokenizer the configuration's own stays
    config.text_config.pad_token_id = config.text_config.pad_token_id if pad is None else pad


def read_tokenizer(source: str | Path, vocabulary: int | None = None) -> Any:
    """The tokenizer at `source`; ValueError where there is none, it cannot be read, or it has more pieces than the
    `vocabulary` of the text tower."""
    refuse_absent(str(source))
    if Path(source).is_dir() and not has_tokenizer(Path(source)):
        raise ValueError(
            f"{source}: no tokenizer there ({', '.join(VOCABULARIES)}); copy the files of the source to it"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, *ODD) as error:
        refuse_code(f"{source}: its tokenizer", error)
        raise ValueError(f"{source}: its tokenizer cannot be read: {first_line(error)}; copy it anew") from None
    if vocabulary is not None and len(tokenizer) > vocabulary:
        raise ValueError(
            f"{source}: its text tower knows {vocabulary} tokens, its tokenizer {len(tokenizer)}; give the folder the "
            "tokenizer that it was trained with"
        )
    return tokenizer


def refuse_code(what: str, error: BaseException) -> None:
    """ValueError where transformers would have to run code that came with the files."""
    if "trust_remote_code" in str(error):
        raise ValueError(
            f"{what} needs code of its own, which is never run; take one that transformers knows"
        ) from None


def has_tokenizer(folder: Path) -> bool:
    """Whether a tokenizer lies in the folder."""
    return any((folder / name).is_file() for name in VOCABULARIES)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def last_line(error: BaseException) -> str:
    """The same where the reason stands at the end."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
