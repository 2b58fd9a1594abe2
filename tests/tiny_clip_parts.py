"""A tiny CLIP of random weights with a byte-pair tokenizer, as a transformers folder.

Apart from conftest.py, which every test file pays for: torch and transformers take seconds to import.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

SENTENCES = (
    "a red circle grows and then turns blue on the grass",
    "a green square vanishes",
    "well so now you see the ring over there getting darker and darker and the circle as well",
    "water",
)


def tiny_tokenizer() -> CLIPTokenizer:
    """Pieces learned from SENTENCES in CLIP's conventions; any other text still spells out in bytes."""
    learned = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learned.pre_tokenizer = pre_tokenizers.Whitespace()
    learned.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=90, end_of_word_suffix="</w>", show_progress=False)
    )
    merges = [tuple(pair) for pair in json.loads(learned.to_str())["model"]["merges"]]
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*bytes_, *(byte + "</w>" for byte in bytes_), *("".join(pair) for pair in merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: place for place, piece in enumerate(dict.fromkeys(pieces))}, merges=merges)


def tiny_config(tokenizer: CLIPTokenizer, **vision: object) -> CLIPConfig:
    """24 x 24 pixels in 9 patches, width 32, 3 and 2 layers."""
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "projection_dim": 16}
    return CLIPConfig(
        projection_dim=16,
        vision_config={**tower, "num_hidden_layers": 3, "image_size": 24, "patch_size": 8, **vision},
        text_config={
            **tower,
            "num_hidden_layers": 2,
            "vocab_size": len(tokenizer),
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
    )


def write_tiny_clip(folder: Path) -> None:
    """A CLIP folder as transformers writes it."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    clip = CLIPModel(tiny_config(tokenizer))
    for parameter in clip.parameters():  # biases and layer norms away from 0 and 1, weights large enough to matter
        parameter.data += 0.1 * torch.randn_like(parameter)
    clip.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
