"""Two models of equal worth on the same queries: how often an interval of their difference holds the truth, 0."""

from typing import NamedTuple

import numpy as np

from clipvip.results import intervals


class Found(NamedTuple):
    """Shares of the rounds."""

    coverage: float  # whose 95 % interval holds 0
    false_positives: float  # whose test says p < 0.05


def simulate(
    rounds: int, num_clusters: int, num_seeds: int, *, seed_noise: float, own: float, resamples: int = 400
) -> Found:
    """R@1 of queries with a difficulty that both models share, one that only a model's seeds share (`own`), noise of
    each training (`seed_noise`) and of each answer; every other clip has a twin in its cluster."""
    generator = np.random.default_rng([num_clusters, num_seeds, round(100 * seed_noise)])
    sizes = np.tile([1, 2], num_clusters // 2)
    clusters, held, false = np.repeat(np.arange(num_clusters), sizes), 0, 0

    def trained(easy: np.ndarray) -> np.ndarray:
        noise = generator.standard_normal(len(easy)) + seed_noise * generator.standard_normal()
        return np.where(easy + noise > 0, 100.0, 0.0)

    for number in range(rounds):
        shared = generator.standard_normal(num_clusters)
        hard = [np.repeat(shared + own * generator.standard_normal(num_clusters), sizes) for _ in range(2)]
        a, b = ([trained(each) for _ in range(num_seeds)] for each in hard)
        interval = intervals.over_seeds(a, clusters, baseline=b, resamples=resamples, seed=number % 2)
        held += interval.low <= 0 <= interval.high
        if num_seeds == 1:
            p = intervals.paired_permutation(a[0], b[0], clusters, resamples=1000, seed=number % 2)
        else:
            p = intervals.p_over_seeds(intervals.spread_over_seeds(a, clusters, baseline=b, resamples=resamples))
        false += p < 0.05
    return Found(held / rounds, false / rounds)
