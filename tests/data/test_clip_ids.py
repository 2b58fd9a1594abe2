"""Ids against Python's own list and dict, with hashes that collide too."""

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipvip.data import clip_ids as module
from clipvip.data.clip_ids import Ids


@pytest.fixture(params=["hashes of 64 bits", "hashes of one bit", "a dict of the few"])
def _hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "hashes of one bit":
        whole = module._hash
        monkeypatch.setattr(module, "_hash", lambda each: whole(each) & np.uint64(1))
    if request.param != "a dict of the few":
        monkeypatch.setattr(module, "FEW", 0)
    monkeypatch.setattr(module, "CHUNK", 7)


@pytest.mark.usefixtures("_hashes")
def test_they_are_found_as_in_a_dict() -> None:
    known = [f"-{number}é" for number in range(40)] + [""]
    wanted = [*reversed(known), "-40é", "-4", "x"]
    ids, place = Ids(known), {clip_id: at for at, clip_id in enumerate(known)}
    assert ids.positions(pa.array(wanted)).tolist() == [place.get(clip_id, -1) for clip_id in wanted]
    assert [clip_id in ids for clip_id in wanted] == [clip_id in place for clip_id in wanted]
    assert all(ids.position(clip_id) == at for clip_id, at in place.items())
    with pytest.raises(KeyError, match="-40é"):
        ids.position("-40é")
    assert ids.positions(pa.chunked_array([[], ["x"], [known[3]]], pa.string())).tolist() == [-1, 3]
    assert list(Ids.distinct(pa.array([*known, *wanted[:3]]))) == known
    assert Ids([]).positions(pa.array(["a"])).tolist() == [-1]


@given(known=st.lists(st.text(max_size=4), max_size=30), data=st.data())
@settings(max_examples=50)
def test_they_are_a_sequence_of_the_distinct(known: list[str], data: st.DataObject) -> None:
    ids, distinct = Ids.distinct(pa.array(known, pa.large_string())), list(dict.fromkeys(known))
    assert list(ids) == distinct
    assert len(ids) == len(distinct)
    part: Any = data.draw(st.slices(len(distinct)))
    assert list(ids[part]) == distinct[part]
    assert list(pickle.loads(pickle.dumps(ids))) == distinct
    if distinct:
        at = data.draw(st.integers(-len(distinct), len(distinct) - 1))
        assert ids[at] == distinct[at]
    with pytest.raises(IndexError):
        ids[len(distinct)]
