"""Three measures of how far two samples of sentences lie apart, from their features (paper section 3.1: NMI).

NMI of K-means clusters and side, as the paper has it, has a floor by chance that falls with the sample. Adjusted mutual
information (Vinh et al. 2010) is 0 by chance; kernel MMD (Gretton et al. 2012) does not rest on which of several
partitions K-means finds, and has an exact test.
"""

import numpy as np
from jaxtyping import Float

Features = Float[np.ndarray, "sentences dim"]
Others = Float[np.ndarray, "others dim"]
MEASURES = ("nmi", "ami", "mmd")


def measures(
    ours: Features, theirs: Others, *, clusters: int, starts: int, seed: int, width: float
) -> dict[str, float]:
    """`nmi` and `ami` (arithmetic mean) of K-means and side, the best of `starts` starts by inertia; `mmd`: unbiased
    squared MMD at this kernel width. One thread, so that the result does not depend on the machine's cores.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    side = np.repeat([0, 1], [len(ours), len(theirs)])
    both = np.concatenate([ours, theirs])
    with threadpool_limits(1):
        found = KMeans(clusters, n_init=starts, random_state=seed).fit_predict(both)
        squared = _mmd(_kernel(both, width), side[None])[0]
    nmi, ami = normalized_mutual_info_score(side, found), adjusted_mutual_info_score(side, found)
    return {"nmi": float(nmi), "ami": float(ami), "mmd": float(squared)}


def mmd_p(ours: Features, theirs: Others, *, width: float, permutations: int, seed: int) -> float:
    """p of both being one language: the share of relabellings, today's among them, whose MMD is as large.

    Exact where the sentences are independent: one a clip.
    """
    kernel = _kernel(np.concatenate([ours, theirs]), width)
    side = np.repeat([0, 1], [len(ours), len(theirs)])
    rng = np.random.default_rng(seed)
    reached = _mmd(kernel, side[None])[0]
    found = _mmd(kernel, np.stack([rng.permutation(side) for _ in range(permutations)]))
    return float((1 + (found >= reached - 1e-12).sum()) / (1 + permutations))


def kernel_width(features: Features) -> float:
    """The median distance of pairs, the usual width; one for all columns, so that they compare."""
    distances = np.sqrt(_squared(features)[np.triu_indices(len(features), 1)])
    return float(np.median(distances)) or 1.0


def _squared(features: Features) -> Float[np.ndarray, "sentences sentences"]:
    lengths = (features**2).sum(axis=1)
    return np.asarray((lengths[:, None] + lengths - 2 * features @ features.T).clip(min=0), dtype=np.float64)


def _kernel(features: Features, width: float) -> Float[np.ndarray, "sentences sentences"]:
    return np.asarray(np.exp(-_squared(features) / (2 * width**2)))


def _mmd(kernel: Float[np.ndarray, "n n"], sides: np.ndarray) -> Float[np.ndarray, " labellings"]:
    """Unbiased squared MMD of every labelling (0 or 1 a row of the kernel), [labellings, n]."""
    ones = sides.astype(np.float64)
    zeros = 1 - ones
    m, n, own = zeros.sum(axis=1), ones.sum(axis=1), np.diag(kernel)
    left = (((zeros @ kernel) * zeros).sum(axis=1) - zeros @ own) / (m * (m - 1))
    right = (((ones @ kernel) * ones).sum(axis=1) - ones @ own) / (n * (n - 1))
    return np.asarray(left + right - 2 * ((zeros @ kernel) * ones).sum(axis=1) / (m * n))
