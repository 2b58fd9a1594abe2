"""How often intervals of the language gap's NMI hold the truth, and how wide they are beside what is due: `make bench`.

A language is a topic that splits either side alike, and a shift of the set against the source: K-means flips between
the partition by topic and the one by side.
"""

import numpy as np
import pytest
from extent import FULL

from clipvip.evaluation.language_gap import measures
from clipvip.results.repeated_draws import positive_interval

ROUNDS, TRUTHS, REPEATS, SIZE = (480, 5000, 20, 50) if FULL else (40, 800, 8, 50)
CASES = [(1.5, 1000, 100), (2.2, 1000, 100), (2.6, 1000, 100), (2.2, 100, 100), (2.2, 1000, 500)]  # shift, texts


def _language(rng: np.random.Generator, count: int, shift: float) -> np.ndarray:
    features = rng.normal(0, 1, (count, 8))
    features[:, 0] += rng.choice([-1, 1], count)
    features[:, 1] += shift
    return features


def _nmi(ours: np.ndarray, theirs: np.ndarray, seed: int) -> float:
    return measures(ours, theirs, clusters=2, starts=3, seed=seed, width=3.0)["nmi"]


def _crossed(rng: np.random.Generator, source: np.ndarray, own: np.ndarray) -> np.ndarray:
    values = np.empty((REPEATS, 2, 2))
    for repeat in range(REPEATS):
        both = [rng.permutation(side)[: 2 * SIZE].reshape(2, SIZE, -1) for side in (source, own)]
        for i, j in np.ndindex(2, 2):
            values[repeat, i, j] = _nmi(both[0][i], both[1][j], repeat)
    return values


@pytest.mark.slow
def test_intervals_of_nmi_cover_what_they_say() -> None:
    error = 3 * (0.05 * 0.95 / ROUNDS) ** 0.5
    print("\nshift  source  set  NMI    coverage %  width / due")
    rows = []
    for number, (shift, of_source, of_set) in enumerate(CASES):
        rng = np.random.default_rng(number)
        draws = range(TRUTHS)
        truth = np.mean([_nmi(_language(rng, SIZE, 0), _language(rng, SIZE, shift), seed) for seed in draws])
        found = []
        for _ in range(ROUNDS):
            values = _crossed(rng, _language(rng, of_source, 0), _language(rng, of_set, shift))
            found.append(positive_interval(values, (SIZE / of_source, SIZE / of_set)))
        held = float(np.mean([each.low <= truth <= each.high for each in found]))
        width = float(np.mean([each.high - each.low for each in found]))
        rows.append((held, width / (2 * 1.96 * np.std([each.estimate for each in found]))))
        print(f"{shift:5}  {of_source:6}  {of_set:3}  {truth:.3f}  {100 * held:10.1f}  {rows[-1][1]:11.2f}", flush=True)
    assert all(held >= 0.93 - error for held, _ in rows)
    assert all(ratio <= (1.35 if FULL else 1.8) for _, ratio in rows)
