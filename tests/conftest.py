"""What several test files share: a tiny CLIP of random weights with a byte-pair tokenizer, as a transformers folder."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

torch.set_num_threads(1)

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


@pytest.fixture(scope="session")
def tiny_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP folder as transformers writes it. Read-only: copy it to change it."""
    folder = tmp_path_factory.mktemp("tiny_clip")
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    clip = CLIPModel(tiny_config(tokenizer))
    for parameter in clip.parameters():  # biases and layer norms away from 0 and 1, weights large enough to matter
        parameter.data += 0.1 * torch.randn_like(parameter)
    clip.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def corpus_inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small generated MSR-VTT as its finished cells: world, corpus, frames (24 x 24). Read-only."""
    from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
    from clipvip.pipeline.cell import Cell
    from clipvip.pipeline.runner import run_spec
    from clipvip.pipeline.store import write_spec

    root = tmp_path_factory.mktemp("cells")
    settings = WorldSettings(part="msrvtt", clips={"train": 24, "test": 12})
    world = Cell("world", settings)
    corpus = Cell("corpus", CorpusSettings(format="msrvtt", world=settings, holdout=8), {"world": world})
    frames = Cell("frames", FramesSettings(size=24), {"corpus": corpus})
    return {cell.stage: run_spec(write_spec(root, cell)) for cell in (world, corpus, frames)}
