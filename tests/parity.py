"""Tensors that the authors' published code gave, and the same weights as a model of ours.

golden/parity.safetensors was made once by running microsoft/XPretrain's CLIP-ViP (commit c37c904) in float64 with
random weights at a small shape; its metadata says which.
"""

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPConfig

from clipvip.model.clip_vip import ClipVip
from clipvip.model.official_checkpoint import OFFICIAL, from_official

FILE = Path(__file__).parent / "golden" / "parity.safetensors"


@cache
def golden(part: str) -> dict[str, Tensor]:
    """Tensors below `part/`, by the rest of their name."""
    found = load_file(FILE)
    return {
        name.removeprefix(f"{part}/"): t for name, t in found.items() if name == part or name.startswith(f"{part}/")
    }


def config() -> CLIPConfig:
    """The shape that the file's metadata names."""
    tower = {"projection_dim": 24}
    vision = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    text = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    text |= {"vocab_size": 1000, "eos_token_id": 999, "bos_token_id": 998, "pad_token_id": 0}
    return CLIPConfig(
        projection_dim=24,
        vision_config={**tower, **vision, "image_size": 32, "patch_size": 8},
        text_config={**tower, **text},
    )


def write_checkpoint(folder: Path) -> tuple[Path, Path]:
    """The authors' file and a CLIP folder of its shape (a configuration, no weight)."""
    config().save_pretrained(folder / "clip")
    torch.save(golden("weights"), folder / "official.pt")
    return folder / "official.pt", folder / "clip"


def model(folder: Path) -> ClipVip:
    """The converted model in double precision."""
    official, clip = write_checkpoint(folder)
    from_official(official, clip, folder / "ours")
    return ClipVip.from_pretrained(folder / "ours").double()


def by_official_name(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names as theirs: what `gradient/` and `update/` are named by."""
    found = {f"clipmodel.{OFFICIAL.get(name, name)}": tensor for name, tensor in tensors.items()}
    return {name: tensor[None] if name.endswith("temporal_embedding") else tensor for name, tensor in found.items()}
