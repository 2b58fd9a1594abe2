"""The perfect reader: which clips fit a text, by what each asserts and is, never by strings.

Texts name part of a scene, so several clips can fit one; whoever reads perfectly still has to guess among them.
From a clip to its text the guess is better than even: a text that says more rarely fits by chance.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

from clipvip.corpora.synthetic.language import Meaning
from clipvip.corpora.synthetic.scenes import SLOTS, UNSAID, Scene, facts, sample


def fits(meanings: Sequence[Meaning], scenes: Sequence[Scene]) -> Bool[np.ndarray, "texts clips"]:
    """Whether each text fits each clip: said slots are equal, said events happen in the order said."""
    said = np.array([m.facts for m in meanings], dtype=int).reshape(-1, len(SLOTS))
    held = np.array([list(facts(scene).values()) for scene in scenes], dtype=int).reshape(-1, len(SLOTS))
    fit = np.ones((len(meanings), len(scenes)), dtype=bool)
    for slot in range(len(SLOTS)):
        fit &= (said[:, None, slot] == UNSAID) | (said[:, None, slot] == held[None, :, slot])
    told = _pairs([m.events for m in meanings])
    seen = _pairs([tuple(event.code for event in scene.events) for scene in scenes])
    first, second = told[:, None, 0], told[:, None, 1]
    starts, ends = seen[None, :, 0], seen[None, :, 1]
    any_of = (first == UNSAID) | (first == starts) | (first == ends)
    both = (first == starts) & (second == ends)
    fit &= np.where(second == UNSAID, any_of, both)
    return fit


def _pairs(events: Sequence[tuple[int, ...]]) -> Int[np.ndarray, "n 2"]:
    assert all(len(codes) <= 2 for codes in events), "a scene has at most two events"
    return np.array([(*codes, UNSAID, UNSAID)[:2] for codes in events], dtype=int).reshape(-1, 2)


@cache
def _strangers() -> tuple[Scene, ...]:
    """Random scenes that are in no world: no world draws from a seed of two numbers."""
    rng = np.random.default_rng((20220915, 2))
    return tuple(sample(rng) for _ in range(2048))


def chance(meanings: Sequence[Meaning]) -> Float[np.ndarray, " texts"]:
    """How often each text fits a scene by chance: its share of random scenes that are in no world."""
    share: np.ndarray = fits(meanings, _strangers()).mean(axis=1)
    return share


def rivals(
    fit: Bool[np.ndarray, "texts clips"], chances: Float[np.ndarray, " texts"]
) -> tuple[Int[np.ndarray, " clips"], Int[np.ndarray, " clips"]]:
    """For each clip i, whose own text is i: fitting texts less likely by chance, and equally likely (own included).

    A perfect reader puts the first before the clip's own text and orders the second at random.
    """
    fitting = fit.T
    sharper = (fitting & (chances[None, :] < chances[:, None])).sum(axis=1)
    equal = (fitting & (chances[None, :] == chances[:, None])).sum(axis=1)
    return sharper, equal


def recall(equal: Int[np.ndarray, " queries"], k: int, before: Int[np.ndarray, " queries"] | None = None) -> float:
    """Recall at `k` in percent of a reader who orders `equal` candidates at random, after `before` others."""
    left = k - (np.zeros_like(equal) if before is None else before)
    return float(np.clip(left / equal, 0, 1).mean() * 100)
