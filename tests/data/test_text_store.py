"""Texts in a file against a dict of lists."""

import pickle
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipvip.data.clip_ids import Ids
from clipvip.data.text_store import Sentences

Rows = list[tuple[str, str | None]]


def batches(rows: Rows, size: int) -> list[pa.RecordBatch]:
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        pa.record_batch({"clip_id": [i for i, _ in part], "text": pa.array([t for _, t in part], pa.string())})
        for part in parts
    ]


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.text(max_size=5)), max_size=30),
    size=st.integers(1, 7),
)
@settings(max_examples=60)
def test_they_are_those_of_the_known_clips_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, size: int
) -> None:
    ids, folder = Ids(list("dbfa")), tmp_path_factory.mktemp("texts") / "subtitles"
    Sentences.write(batches(rows, size), ids, folder)
    expected = {i: said for i in ids if (said := [text for own, text in rows if own == i and text is not None])}
    found = Sentences(folder, ids)
    assert dict(found) == expected
    assert list(found) == list(expected)  # in the order of the ids
    assert len(found) == len(expected)
    assert found.get("c", []) == []  # a clip with texts, but none of these
    assert dict(pickle.loads(pickle.dumps(found))) == expected


def test_other_ids_are_refused(tmp_path: Path) -> None:
    Sentences.write(batches([("a", "said")], 1), Ids(["a", "b"]), tmp_path)
    with pytest.raises(ValueError, match="texts of 2 clips, not of 3"):
        Sentences(tmp_path, Ids(["a", "b", "c"]))
