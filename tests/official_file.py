"""A checkpoint in the authors' layout, of random numbers, written down without the code under test."""

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

VISION = "clipmodel.vision_model.embeddings."


def official(config: CLIPConfig, slots: int = 12, scale: float = 1.0) -> dict[str, Tensor]:
    """A state dict of that layout for a CLIP of this configuration."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in CLIPModel(config).state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    state = {f"clipmodel.{name}": scale * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    width, patches = (
        config.vision_config.hidden_size,
        config.vision_config.image_size // config.vision_config.patch_size,
    )
    state[f"{VISION}added_cls"] = scale * torch.randn(3, width, generator=generator)
    state[f"{VISION}temporal_embedding"] = scale * torch.randn(1, slots, width, generator=generator)
    state[f"{VISION}position_ids"] = torch.arange(patches**2 + 1)[None]
    state["clipmodel.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    return state
