"""Subsets against sorting every id by its seeded hash, as they have always been drawn."""

import hashlib

import numpy as np
import pytest

from clipvip.data import manifest, subsets
from clipvip.data.clip_ids import Ids

IDS = [f"video{number}" for number in range(500)]


def slow(ids: list[str], size: int, seed: int) -> list[str]:
    def rank(clip_id: str) -> tuple[bytes, str]:
        return hashlib.blake2b(clip_id.encode(), digest_size=8, key=str(seed).encode()).digest(), clip_id

    return sorted(dict.fromkeys(ids), key=rank)[:size]


@pytest.mark.parametrize("size", [0, 1, 17, 499, 500])
@pytest.mark.parametrize("seed", [0, 3])
def test_it_is_the_head_of_the_sorted_ids(size: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "CHUNK", 64)
    assert list(subsets.nested(Ids(IDS), size, seed=seed)) == slow(IDS, size, seed)
    assert manifest.subset([*IDS, *IDS[:9]], size, seed=seed) == slow(IDS, size, seed)


def test_it_stays_the_same_for_ever() -> None:
    assert list(subsets.nested(Ids(IDS), 4, seed=0)) == ["video273", "video15", "video457", "video249"]


def test_ids_of_one_hash_are_in_their_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = subsets._ranks
    monkeypatch.setattr(subsets, "_ranks", lambda ids, seed: ranks(ids, seed) % np.uint64(7))
    backwards = Ids(sorted(IDS, reverse=True))
    expected = sorted(IDS, key=lambda clip_id: (int(ranks(Ids([clip_id]), 0)[0]) % 7, clip_id))
    for size in (1, 100, 250, 500):
        assert list(subsets.nested(backwards, size, seed=0)) == expected[:size]


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot take 501 clips: there are 500"):
        subsets.nested(Ids(IDS), 501, seed=0)
