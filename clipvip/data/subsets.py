"""Random subsets that are nested: the million lies inside the ten million, whatever order a corpus has its clips in."""

import hashlib

import numpy as np
from jaxtyping import Int, UInt64

from clipvip.data.clip_ids import CHUNK, Ids


def nested(ids: Ids, size: int, *, seed: int) -> Ids:
    """`size` of the ids by a seeded hash of the id, in its order. ValueError for more than there are."""
    if not 0 <= size <= len(ids):
        raise ValueError(f"cannot take {size} clips: there are {len(ids)}")
    if not size:
        return ids[:0]
    ranks = _ranks(ids, seed)
    last = np.partition(ranks, size - 1)[size - 1]
    chosen = np.flatnonzero(ranks <= last)  # more than `size` only where two ids have one hash
    order = np.argsort(ranks[chosen], kind="stable")
    chosen = _untied(chosen[order], ranks[chosen[order]], ids)
    return ids.take(chosen[:size])


def _ranks(ids: Ids, seed: int) -> UInt64[np.ndarray, " ids"]:
    """The seeded hash of each id, first byte highest."""
    key, ranks = str(seed).encode(), np.empty(len(ids), np.uint64)
    for start in range(0, len(ids), CHUNK):
        each = (hashlib.blake2b(i.encode(), digest_size=8, key=key).digest() for i in ids[start : start + CHUNK])
        part = np.frombuffer(b"".join(each), ">u8")
        ranks[start : start + len(part)] = part
    return ranks


def _untied(
    chosen: Int[np.ndarray, " chosen"], ranks: UInt64[np.ndarray, " chosen"], ids: Ids
) -> Int[np.ndarray, " chosen"]:
    """Positions in order of rank, equal ranks in order of the ids themselves."""
    tied = np.flatnonzero(ranks[1:] == ranks[:-1])
    for rank in np.unique(ranks[tied]):
        here = np.flatnonzero(ranks == rank)
        chosen[here] = sorted(chosen[here], key=lambda position: ids[int(position)])
    return chosen
