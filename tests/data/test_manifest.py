from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipvip.data import manifest, unreadable


def _rows(**changes: Any) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "clip_id": ["b", "a", "b"],
            "path": ["v/b.mp4", "v/a.mp4", "v/b.mp4"],
            "start": [1.5, None, 1.5],
            "end": [2.0, None, 2.0],
            "text": ["one", "two", "three"],
            "source": "caption",
            "split": ["train", "test", "train"],
        }
    )
    return rows.assign(**changes)


def _cell(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / "results" / "cells" / "corpus" / name
    folder.mkdir(parents=True)
    return folder


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    folder = _cell(tmp_path, "k")
    manifest.write(_rows(), folder, root=tmp_path / "data", format="msrvtt", max_bad=0.1)
    back = manifest.read(folder)
    assert list(back.columns) == list(manifest.COLUMNS)
    assert back["text"].tolist() == ["one", "two", "three"]
    assert back["start"].isna().tolist() == [False, True, False]
    assert manifest.read(folder, split="train")["text"].tolist() == ["one", "three"]
    assert manifest.read(folder, split="val").empty
    assert manifest.clips(back)["clip_id"].tolist() == ["b", "a"]
    assert manifest.media_root(folder) == tmp_path / "data"
    assert manifest.max_bad(folder) == 0.1


def test_a_generated_world_moves_with_the_results(tmp_path: Path) -> None:
    folder = _cell(tmp_path, "k")
    manifest.write(_rows(), folder, root=tmp_path / "results/cells/world/w", format="msrvtt")
    assert '"../../world/w"' in (folder / "corpus.json").read_text()
    (tmp_path / "results").rename(tmp_path / "moved")
    moved = tmp_path / "moved/cells/corpus/k"
    assert manifest.media_root(moved) == tmp_path / "moved/cells/world/w"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": ["one", "", "three"]}, "row 1 has no text"),
        ({"clip_id": ["b", None, "b"]}, "row 1 has no clip_id"),
        ({"split": ["train", "tset", "train"]}, "split 'tset' is none of train, val, test"),
        ({"source": "asr"}, "source 'asr' is none of"),
        ({"split": ["train", "test", "test"]}, "rows of clip 'b' differ"),
        ({"end": [2.0, None, 3.0]}, "rows of clip 'b' differ"),
    ],
)
def test_rows_that_break_the_rules_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        manifest.write(_rows(**changes), _cell(tmp_path, "k"), root=tmp_path, format="msrvtt")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"manifest.parquet: no such file"):
        manifest.read(tmp_path)
    with pytest.raises(ValueError, match=r"corpus.json: no such file"):
        manifest.media_root(tmp_path)
    with pytest.raises(ValueError, match="split 'dev' is none of"):
        manifest.read(tmp_path, split="dev")


@given(st.sets(st.text(max_size=6), min_size=1, max_size=20), st.integers(0, 5), st.data())
def test_subsets_are_nested_and_free_of_order(ids: set[str], seed: int, data: st.DataObject) -> None:
    large = data.draw(st.integers(0, len(ids)))
    small = data.draw(st.integers(0, large))
    taken = manifest.subset(sorted(ids), large, seed=seed)
    assert len(set(taken)) == large
    assert set(taken) <= ids
    assert manifest.subset(sorted(ids, reverse=True), small, seed=seed) == taken[:small]


def test_subsets_stay_the_same_for_ever() -> None:
    ids = [f"video{i}" for i in range(1000)]
    assert manifest.subset(ids, 3, seed=0) == manifest.subset(ids, 500, seed=0)[:3]
    assert manifest.subset(ids, 500, seed=0) != manifest.subset(ids, 500, seed=1)
    share = sum(int(clip_id.removeprefix("video")) < 500 for clip_id in manifest.subset(ids, 500, seed=0)) / 500
    assert 0.4 < share < 0.6
    with pytest.raises(ValueError, match="cannot take 1001 clips: there are 1000"):
        manifest.subset(ids, 1001, seed=0)


def test_the_stop_names_counts_clips_and_the_setting() -> None:
    unreadable.stop_if_too_many(["a"], 20, allowed=0.05, where="here")
    with pytest.raises(ValueError, match=r"here: 2 of 20 clips \(10.0%\).*5.0% are allowed: a, b; .*`max_bad`"):
        unreadable.stop_if_too_many(["a", "b"], 20, allowed=0.05, where="here")


def _many(count: int) -> pd.DataFrame:
    """Rows of which those of a clip do not stand together."""
    owners = [(7 * row) % (count // 2) for row in range(count)]
    rows = pd.DataFrame({"clip_id": [f"clip{n}" for n in owners], "path": [f"v/{n}.mp4" for n in owners]})
    rows = rows.assign(
        start=[n / 2 if n % 2 else None for n in owners], end=None, text=[f"said {n}" for n in range(count)]
    )
    return rows.assign(source="subtitle", split=["train" if n % 3 else "val" for n in owners])


@pytest.mark.parametrize("size", [1, 7, 40, 100])
def test_parts_make_the_table_that_the_whole_makes(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "PART", 16)
    rows, parts = _many(60), _cell(tmp_path, "parts")
    with manifest.Writer(parts, root=tmp_path, format="hdvila") as out:
        for start in range(0, len(rows), size):
            out.add(rows.iloc[start : start + size])
    manifest.write(rows, whole := _cell(tmp_path, "whole"), root=tmp_path, format="hdvila")
    pd.testing.assert_frame_equal(manifest.read(parts), manifest.read(whole))
    pd.testing.assert_frame_equal(manifest.read(parts)[["clip_id", "text"]], rows[["clip_id", "text"]])
    for split in (None, "train", "val", "test"):
        expected = manifest.read(whole, split=split)
        assert list(manifest.clip_ids(parts, split=split)) == list(dict.fromkeys(expected["clip_id"]))
        scanned = list(manifest.scan(parts, ["text", "start"], split=split))
        assert [text for batch in scanned for text in batch["text"].to_pylist()] == expected["text"].tolist()
        assert all(len(batch) <= 16 for batch in scanned)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": ["one", "", "three"]}, "manifest row 4 has no text"),
        ({"path": ["v/c.mp4", "v/a.mp4", "v/c.mp4"]}, "rows of clip 'b' differ in path"),
    ],
)
def test_a_broken_part_leaves_no_manifest(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    def write() -> None:
        with manifest.Writer(folder, root=tmp_path, format="msrvtt") as out:
            out.add(_rows())
            out.add(_rows(**changes))

    folder = _cell(tmp_path, "k")
    with pytest.raises(ValueError, match=message):
        write()
    with pytest.raises(ValueError, match="a manifest without rows"), manifest.Writer(folder, root=tmp_path, format="x"):
        pass
    assert list(folder.iterdir()) == []
