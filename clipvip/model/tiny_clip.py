"""A small CLIP of random weights."""

from typing import Any

from clipvip.config.learning import TinyClip


def tiny_clip(shape: TinyClip, tokenizer: Any, seed: int) -> Any:
    """A transformers CLIPModel of this shape with random weights."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    layer = {"num_attention_heads": shape.heads, "projection_dim": shape.dim}
    vision = {
        **layer,
        "image_size": shape.image_size,
        "patch_size": shape.patch_size,
        "hidden_size": shape.vision_width,
        "intermediate_size": 4 * shape.vision_width,
        "num_hidden_layers": shape.vision_layers,
    }
    text = {
        **layer,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": shape.max_tokens,
        "hidden_size": shape.text_width,
        "intermediate_size": 4 * shape.text_width,
        "num_hidden_layers": shape.text_layers,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(seed)
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=shape.dim))
