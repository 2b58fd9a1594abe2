"""How sentences of one source read beside another's: length, vocabulary, and whether they name what is in the scene.

Figures of different sources compare at equal numbers of sentences only: vocabularies grow with them.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

_WORD = re.compile(r"\w+(?:'\w+)?")


def of_texts(texts: Sequence[str]) -> dict[str, int | float]:
    """Sentences, their length in words (mean, sd), distinct words, and distinct words per word (type-token ratio)."""
    words = list(map(_words, texts))
    lengths, counts = np.array([len(sentence) for sentence in words]), _count(words)
    return {
        "sentences": len(texts),
        "mean_words": float(lengths.mean()),
        "sd_words": float(lengths.std(ddof=1)) if len(lengths) > 1 else 0.0,
        "vocabulary": len(counts),
        "type_token": len(counts) / max(1, counts.total()),
    }


def overlap(ours: Sequence[str], theirs: Sequence[str]) -> dict[str, float]:
    """`covered`: share of their running words that occur among ours; `jaccard`: of distinct words, shared of all."""
    own, other = _count(map(_words, ours)), _count(map(_words, theirs))
    covered = sum(count for word, count in other.items() if word in own)
    return {
        "covered": covered / max(1, other.total()),
        "jaccard": len(own.keys() & other.keys()) / max(1, len(own.keys() | other.keys())),
    }


def naming(
    texts: Sequence[str], facts: Sequence[set[tuple[str, str]]], said: Callable[[str], set[tuple[str, str]]]
) -> float:
    """Share of the texts that name a fact (kind, value) of their own scene; `said` reads them from a text."""
    return float(np.mean([bool(said(text) & known) for text, known in zip(texts, facts, strict=True)]))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _count(sentences: "Sequence[list[str]] | map[list[str]]") -> Counter[str]:
    return Counter(word for sentence in sentences for word in sentence)
