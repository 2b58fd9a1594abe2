"""A CLIP tokenizer for a small world: byte-pair pieces learnt from its texts, in CLIP's own file format."""

import json
import string
from collections.abc import Iterable
from typing import Any

START, END = "<|startoftext|>", "<|endoftext|>"
# CLIP's split into words, numbers by digit, and runs of other signs.
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def train_tokenizer(texts: Iterable[str], vocab_size: int, max_tokens: int) -> Any:
    """A transformers CLIPTokenizer of at most `vocab_size` pieces; every printable ASCII text can be written in it."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 2,
        end_of_word_suffix="</w>",
        initial_alphabet=sorted(string.printable.strip()),
        show_progress=False,
    )
    learner.train_from_iterator([*string.printable.strip().lower(), *texts], trainer)
    learnt = learner.get_vocab()
    pieces = sorted(learnt, key=lambda piece: learnt[piece])
    # A piece that ends a word must exist for every sign, or an unseen word would have no spelling.
    pieces += [f"{sign}</w>" for sign in string.printable.strip().lower() if f"{sign}</w>" not in learnt]
    vocab = {piece: i for i, piece in enumerate([*pieces, START, END])}
    merges = _merges(learner)
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=max_tokens)


def _merges(learner: Any) -> list[tuple[str, str]]:
    found = json.loads(learner.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in found]
