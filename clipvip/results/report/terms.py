"""The words of the page that a reader may not know, each defined in the first section that uses it."""

from collections.abc import Iterable

TERMS = {
    "left, right": "the two sides of a claim `left > right`; the difference is left minus right",
    "R@1, R@5, R@10": "recall: percent of queries whose right clip is among the first 1, 5 or 10",
    "MdR": "median of the rank of the right clip; less is better",
    "log2R": "mean of the base-2 logarithm of that rank: 1 less is a rank halved; decided beside every recall",
    "order": "percent of clips that are nearer to their own text than to that text run backwards; chance gives 50",
    "NMI": "how far two kinds of texts can be told apart: 0 alike, 1 apart",
    "t2v, v2t": "text to video: a text looks for its clip; video to text: a clip looks for its text",
    "zero-shot": "the set's own training split was not used; else fine-tuned on it",
    "margin": "the smallest difference that matters; the grey band",
    "interval": "95 %; holds the draw of test queries and, where it is known, the noise of training",
    "proxies": "tokens put before the patches of a video that see every frame; patches see them and their own frame",
    "objective": "which pairs are drawn together: `video with subtitle and caption together` is one term whose right "
    "texts are both; two terms are two losses, added. (a) to (d) are the paper's names, joint is (d) without its frame",
    "cannot tell": "a difference that matters and none are both possible, or runs are missing; one run: nothing tells "
    "the noise of training, and a second replicate would",
    "replicate": "one training of a variant with a seed of its own",
}


class Glossary:
    """Gives every definition once, to the section that uses its word first."""

    def __init__(self) -> None:
        self._left = dict(TERMS)

    def first(self, words: Iterable[str]) -> list[tuple[str, str]]:
        """(word, definition) of those that stand here first."""
        return [(word, self._left.pop(word)) for word in dict.fromkeys(words) if word in self._left]


def of_metrics(metrics: Iterable[str]) -> list[str]:
    """The words that the names of these metrics use: `msrvtt/zero_shot/t2v/R@5`, `nmi/didemo`."""
    names, found = list(metrics), []
    ends = {name.rsplit("/", 1)[-1] for name in names}
    if any(end.startswith("R@") for end in ends):
        found.append("R@1, R@5, R@10")
    found += [end for end in ("MdR", "log2R", "order") if end in ends]
    if any(name.startswith("nmi/") for name in names):
        found.append("NMI")
    if any(f"/{way}/" in name for name in names for way in ("t2v", "v2t")):
        found.append("t2v, v2t")
    return found + ["zero-shot"] * any("/zero_shot/" in name for name in names)
