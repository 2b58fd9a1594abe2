"""A small CLIP of random weights."""

from typing import Any

from clipvip.config.learning import TinyClip


def tiny_clip_config(shape: TinyClip, vocab_size: int, *, bos: int, eos: int, pad: int) -> Any:
    """The transformers CLIPConfig of this shape, for a vocabulary with these special tokens."""
    from transformers import CLIPConfig

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
        "vocab_size": vocab_size,
        "max_position_embeddings": shape.max_tokens,
        "hidden_size": shape.text_width,
        "intermediate_size": 4 * shape.text_width,
        "num_hidden_layers": shape.text_layers,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
    }
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=shape.dim)


def tiny_clip(shape: TinyClip, tokenizer: Any, seed: int) -> Any:
    """A transformers CLIPModel of this shape with random weights."""
    import torch
    from transformers import CLIPModel

    ids = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    config = tiny_clip_config(shape, len(tokenizer), **ids)
    torch.manual_seed(seed)
    return CLIPModel(config)
