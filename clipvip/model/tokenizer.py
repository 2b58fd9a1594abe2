"""A CLIP tokenizer for a small world: byte-pair pieces learnt from its texts, in CLIP's own file format.

The merges are learnt here because the trainer of the tokenizers library numbers word-end pieces in an order
that changes from process to process, and a starting point must be the same bytes each time.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = re.compile(r"[^\W\d_]+|\d|[^\s\w]+|_+")  # words, single digits, runs of other signs, as CLIP splits


def learn_merges(texts: Iterable[str], most: int) -> list[tuple[str, str]]:
    """Up to `most` byte-pair merges, the most frequent pair first, ties in the order of their letters."""
    counts = Counter(word for text in texts for word in WORDS.findall(text.lower()) if word.isascii())
    words = {word: [*word[:-1], f"{word[-1]}</w>"] for word in sorted(counts)}
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in words.items():
            for pair in pairwise(pieces):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, pieces in words.items():
            words[word] = _merged(pieces, best)
    return merges


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    found: list[str] = []
    for piece in pieces:
        if found and (found[-1], piece) == pair:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def train_tokenizer(texts: Iterable[str], vocab_size: int, max_tokens: int) -> Any:
    """A transformers CLIPTokenizer of at most `vocab_size` pieces; every text can be written in it, byte by byte.

    Raises ValueError where `vocab_size` does not even hold the bytes.
    """
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    alphabet = [*signs, *(f"{sign}</w>" for sign in signs), START, END]
    if vocab_size < len(alphabet):
        raise ValueError(f"clip.shape.vocab_size: {vocab_size} pieces; the bytes alone need {len(alphabet)}")
    merges = learn_merges(texts, vocab_size - len(alphabet))
    pieces = dict.fromkeys([*alphabet[:-2], *("".join(pair) for pair in merges), START, END])
    vocab = {piece: i for i, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=max_tokens)
