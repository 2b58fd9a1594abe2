"""open_clip's own checkpoints (a flat state dict of `visual.` and `transformer.` keys) as a transformers CLIP folder.

Plain CLIPs only: an image tower of class token and `conv1`, a text tower of causal attention. Towers of timm or of a
hugging face text model have other names, and are refused by the names they lack.
"""

import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPModel

from clipvip.model.completeness import compare, load_tensors, refuse_faults
from clipvip.model.model_folder import WEIGHTS, copy_tokenizer
from clipvip.model.official_checkpoint import plain_names
from clipvip.model.source import read_config

SIGN = "visual.conv1.weight"  # a key that every such file has and no other
TRANSPOSED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
NAMES = {
    "logit_scale": "logit_scale",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    **{f"visual.ln_pre.{end}": f"vision_model.pre_layrnorm.{end}" for end in ("weight", "bias")},
    **{f"visual.ln_post.{end}": f"vision_model.post_layernorm.{end}" for end in ("weight", "bias")},
    **{f"ln_final.{end}": f"text_model.final_layer_norm.{end}" for end in ("weight", "bias")},
}
PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
BLOCK = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")
COUNTS = ("attn_mask", "context_length", "input_resolution", "vocab_size")  # of old files; no weights


def is_open_clip(path: Path) -> bool:
    """Whether the file holds open_clip's names. ValueError for what is no file of tensors."""
    return SIGN in {name.removeprefix("module.") for name in load_tensors(path)}


def from_open_clip(path: str | Path, clip_folder: str | Path, out: str | Path) -> None:
    """open_clip's checkpoint as a transformers CLIP folder; `clip_folder` (a CLIP of that shape, or its hub id) gives
    the configuration (also the activation: `gelu`, or `quick_gelu`) and the tokenizer.

    ValueError where a tensor is missing, surplus, of another shape or not finite.
    """
    config = read_config(clip_folder)
    if config.model_type != "clip":
        raise ValueError(f"{clip_folder}: a {config.model_type}; open_clip's plain layout is CLIP's")
    given = {name: t for name, t in plain_names(load_tensors(Path(path)), path).items() if name not in COUNTS}
    tensors: dict[str, Tensor] = {}
    for name, tensor in given.items():
        tensors |= _translated(name, tensor)
    with torch.device("meta"):
        clip = CLIPModel(config)
    missing, surplus, misshapen = compare(tensors, clip.state_dict())
    fix = f"give the original file, and --clip of its shape (asked: {clip_folder})"
    refuse_faults(
        path,
        what="an open_clip checkpoint of this shape",
        fix=fix,
        missing=missing,
        surplus=surplus,
        misshapen=misshapen,
        tensors=tensors,
    )
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    config.architectures = ["CLIPModel"]
    config.save_pretrained(folder)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS, {"format": "pt"})
    copy_tokenizer(str(clip_folder), folder)


def _translated(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One tensor by transformers' names: three for the joint projection of query, key and value."""
    if name in TRANSPOSED:
        return {TRANSPOSED[name]: tensor.T}
    block = BLOCK.fullmatch(name)
    if block is None:
        return {NAMES.get(name, name): tensor}
    tower = "vision_model" if block[1] else "text_model"
    stem, part, end = f"{tower}.encoder.layers.{block[2]}", block[3], block[4]
    if part == "attn.in_proj":
        pieces = zip("qkv", tensor.chunk(3), strict=True)
        return {f"{stem}.self_attn.{letter}_proj.{end}": piece for letter, piece in pieces}
    return {f"{stem}.{PARTS.get(part, part)}.{end}": tensor}
