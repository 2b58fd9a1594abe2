"""A CLIP of the true shape, a GIT-base and a checkpoint in the authors' layout, all of random weights, nothing fetched.

Their tokenizers have as many entries as the released ones; the entries are letters put together in alphabetical order.
"""

import itertools
import string
from pathlib import Path
from typing import Any

import torch
from official_file import official
from tokenizers import pre_tokenizers
from transformers import (
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
)

CLIP_ENTRIES, GIT_ENTRIES = 49_408, 30_522
START, END = "<|startoftext|>", "<|endoftext|>"
LETTERS = string.ascii_lowercase


def clip_tokenizer() -> CLIPTokenizer:
    """Bytes, then merges of two letters, of three, of four; the last two entries begin and end a text, as CLIP's do."""
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    alphabet = [*signs, *(f"{sign}</w>" for sign in signs)]
    ends = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    pairs = [(a, b) for a in LETTERS for b in ends]
    doubles = ["".join(pair) for pair in pairs if not pair[1].endswith("</w>")]
    longer = itertools.chain(itertools.product(doubles, ends), itertools.product(doubles, doubles))
    most = CLIP_ENTRIES - 2 - len(alphabet)
    merges = [*pairs, *itertools.islice(longer, most - len(pairs))]
    pieces = [*alphabet, *("".join(merge) for merge in merges), START, END]
    return CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges, model_max_length=77)


def git_tokenizer() -> BertTokenizer:
    """BERT's special pieces at their places, letters, and made-up words of three and four letters."""
    unused = [f"[unused{i}]" for i in range(99)]
    special = ["[PAD]", *unused, "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ("".join(letters) for size in (3, 4) for letters in itertools.product(LETTERS, repeat=size))
    pieces = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    pieces += itertools.islice(words, GIT_ENTRIES - len(pieces))
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=512)


def clip_config(patch: int) -> CLIPConfig:
    """B/32 or B/16 at 224 pixels; the towers have the configuration's own sizes."""
    return CLIPConfig(vision_config={"patch_size": patch})


def write_clip(folder: Path, patch: int) -> None:
    """A transformers folder of 151 M (B/32) or 150 M (B/16) parameters."""
    torch.manual_seed(0)
    CLIPModel(clip_config(patch)).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)


def write_git(folder: Path) -> None:
    """A transformers folder of 177 M parameters that captions images with made-up words."""
    torch.manual_seed(0)
    model: Any = GitForCausalLM(GitConfig())
    model.save_pretrained(folder)
    GitProcessor(CLIPImageProcessorPil(), git_tokenizer()).save_pretrained(folder)


def write_released(file: Path, patch: int) -> None:
    """A checkpoint in the authors' layout: 402 tensors."""
    torch.save(official(clip_config(patch), scale=0.02), file)
