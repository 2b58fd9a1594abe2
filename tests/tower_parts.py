"""Small towers of every kind with random weights, as transformers writes them."""

from pathlib import Path
from typing import Any

import torch
from tiny_clip_parts import tiny_config, tiny_tokenizer
from transformers import (
    CLIPModel,
    MetaClip2Config,
    MetaClip2Model,
    PreTrainedModel,
    SiglipConfig,
    SiglipModel,
)

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
VISION = {**TOWER, "image_size": 24, "patch_size": 8}


def clip(**vision: Any) -> PreTrainedModel:
    return CLIPModel(tiny_config(tiny_tokenizer(), **vision))


def open_clip() -> PreTrainedModel:
    """OpenCLIP's models in transformers' format: the exact GELU, a text tower of another size."""
    config = tiny_config(tiny_tokenizer(), hidden_act="gelu")
    config.text_config.hidden_act = "gelu"
    return CLIPModel(config)


def metaclip_2(eos: int | None = None) -> PreTrainedModel:
    """MetaCLIP 2 has 2 as its end of text."""
    tokenizer = tiny_tokenizer()
    text = {**TOWER, "vocab_size": len(tokenizer), "projection_dim": 16, "bos_token_id": tokenizer.bos_token_id}
    text |= {"eos_token_id": tokenizer.eos_token_id if eos is None else eos, "pad_token_id": 1}
    vision = {**VISION, "projection_dim": 16}
    return MetaClip2Model(MetaClip2Config(projection_dim=16, vision_config=vision, text_config=text))


def siglip(projection: int = 32, **vision: Any) -> PreTrainedModel:
    """SigLIP, and the SigLIP 2 models of one resolution, whose text tower may have another width."""
    tokenizer = tiny_tokenizer()
    text = {**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": 20, "projection_size": projection}
    text |= {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    return SiglipModel(SiglipConfig(text_config=text, vision_config={**VISION, **vision}))


def siglip_2() -> PreTrainedModel:
    """A text tower that is narrower than the image tower, and finer patches."""
    tokenizer = tiny_tokenizer()
    text = {**TOWER, "hidden_size": 16, "vocab_size": len(tokenizer), "max_position_embeddings": 24}
    text |= {"projection_size": 32, "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    return SiglipModel(SiglipConfig(text_config=text, vision_config={**VISION, "patch_size": 6}))


KINDS = {
    "clip": clip,
    "open_clip": open_clip,
    "metaclip_2": metaclip_2,
    "siglip": siglip,
    "siglip_2": siglip_2,
}


def write(folder: Path, kind: str) -> PreTrainedModel:
    """A folder of this kind with a tokenizer; the model in it."""
    torch.manual_seed(1)
    model = KINDS[kind]()
    for parameter in model.parameters():  # away from 0 and 1, large enough to matter
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return model.eval()
