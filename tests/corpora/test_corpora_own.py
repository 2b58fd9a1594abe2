"""Readers of what users bring: a folder with a csv, and the authors' jsonl in place of public annotations."""

import json
from pathlib import Path
from typing import Any

import pytest
from raw_corpora import VIDEO, put, read, texts

from clipvip.config.base import build
from clipvip.config.data import CorpusSettings
from clipvip.data import manifest


def lines(*records: dict[str, Any]) -> str:
    return "\n\n".join(json.dumps(record) for record in records)  # blank lines, no final newline


def test_a_folder_with_paths_and_texts_is_enough(tmp_path: Path) -> None:
    put(
        tmp_path / "raw",
        "annotations.csv",
        '\ufefftext,path,mood\r\n"a dog, running",a/x.mp4,good\r\nit stops,a/x.mp4,bad\r\n\r\n ,b.mp4,\r\n',
    )
    for name in ("a/x.mp4", "b.mp4"):
        put(tmp_path / "raw", name, VIDEO)
    receipt, rows = read(tmp_path, "folder")
    assert texts(rows, "train") == [("a/x.mp4", "a dog, running"), ("a/x.mp4", "it stops")]
    assert rows["path"].tolist() == ["a/x.mp4"] * 2
    assert rows[["start", "end"]].isna().all(axis=None)
    assert receipt["empty_text_ids"] == ["b.mp4"]


def test_a_folder_with_splits_stretches_and_ids(tmp_path: Path) -> None:
    table = (
        "clip_id,path,start,end,text,split\n"
        "one,x.mp4,2.5,4,a,train\none,x.mp4,2.5,4.0,b,train\n,x.mp4,4,,c,val\n,x.mp4,,2,d,test\n,gone.mp4,,,e,\n"
    )
    put(tmp_path / "raw", "annotations.csv", table)
    put(tmp_path / "raw", "x.mp4", VIDEO)
    receipt, rows = read(tmp_path, "folder", same_source="keep")
    assert texts(rows, "train") == [("one", "a"), ("one", "b")]
    assert texts(rows, "val") + texts(rows, "test") == [("x.mp4@4-", "c"), ("x.mp4@-2", "d")]
    stretches = manifest.clips(rows)[["start", "end"]]
    assert stretches.fillna(-1).to_numpy().tolist() == [[2.5, 4], [4, -1], [-1, 2]]
    assert receipt["missing"] == ["gone.mp4"]


def test_a_csv_a_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        put(tmp_path / "raw", f"lists/{split}.csv", f"path,text\n{split}.mp4,{split}ed\n")
        put(tmp_path / "raw", f"{split}.mp4", VIDEO)
    _, rows = read(tmp_path, "folder", annotations={"train": "lists/train.csv", "test": "lists/test.csv"})
    assert texts(rows, "train") + texts(rows, "test") == [("train.mp4", "trained"), ("test.mp4", "tested")]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path\nx.mp4\n", "no column text"),
        ("path,text,split\nx.mp4,a,valid\n", "line 2: split 'valid' is none of train, val, test"),
        ("path,text,start\nx.mp4,a,soon\n", "line 2: start 'soon' is no number of seconds"),
        ("path,text,start\nx.mp4,a,nan\n", "line 2: start 'nan' is no number"),
        ("path,text,start,end\nx.mp4,a,3,3\n", "line 2: end 3 s is not after start 3 s"),
        ("path,text,end\nx.mp4,a,0\n", "line 2: end 0 s is not after start 0 s"),
        ("path,text\n,a\n", "line 2: no path"),
        (
            "path,text,clip_id\nx.mp4,a,one\ny.mp4,b,one\n",
            "clip 'one': lies in two places, x.mp4 and y.mp4; give each",
        ),
        ("path,text\n../x.mp4,a\n", "outside of `root`"),
    ],
)
def test_mistakes_in_the_csv_are_named(tmp_path: Path, table: str, message: str) -> None:
    put(tmp_path / "raw", "annotations.csv", table)
    with pytest.raises(ValueError, match=message):
        read(tmp_path, "folder", max_bad=0)


def test_the_authors_lines_say_what_the_public_files_say(tmp_path: Path) -> None:
    """A list is a paragraph where the set has paragraphs, and captions where it has captions."""
    said = [" A man waves.", " He then\nsits down."]
    lsmdc = "0001_Film_00.00.01.000-00.00.02.000"
    expected: dict[str, tuple[str, list[str], str]] = {
        "msrvtt": ("video7", ["A man waves.", "He then sits down."], "videos/video7.mp4"),
        "lsmdc": (f"0001_Film/{lsmdc}", ["A man waves.", "He then sits down."], f"videos/0001_Film/{lsmdc}.avi"),
        "didemo": ("1@N00_2_3", ["A man waves. He then sits down."], "videos/1@N00_2_3.mp4"),
        "activitynet": ("v_-aBcD_12345", ["A man waves. He then sits down."], "videos/-aBcD_12345.mkv"),
    }
    for form, (clip_id, found, file) in expected.items():
        root = tmp_path / form / "raw"
        put(root, "ours/train.jsonl", lines({"clip_id": clip_id, "text": said, "timestamps": [[0, 1]]}))
        put(root, file, VIDEO)
        _, rows = read(tmp_path / form, form, annotations={"train": "ours/train.jsonl"})
        assert texts(rows, "train") == [(clip_id.rsplit("/", 1)[-1], text) for text in found]
        assert set(rows["path"]) == {file}
    assert rows["source"].tolist() == ["paragraph"]


def test_a_test_on_one_sentence_refuses_twenty(tmp_path: Path) -> None:
    put(tmp_path / "raw", "train.jsonl", lines({"clip_id": "video1", "text": "a"}, {"clip_id": "video1", "text": "b"}))
    put(
        tmp_path / "raw",
        "test.jsonl",
        lines({"clip_id": "video2", "text": "c"}, {"clip_id": "video3", "text": ["d", "e"]}),
    )
    for number in (1, 2, 3):
        put(tmp_path / "raw", f"MSRVTT_Videos/video{number}.mp4", VIDEO)
    files = {"train": "train.jsonl", "test": "test.jsonl"}
    with pytest.raises(ValueError, match=r"test.jsonl: line 3: 2 texts of 'video3', the protocol tests on one"):
        read(tmp_path, "msrvtt", annotations=files, max_bad=0.1)
    _, rows = read(tmp_path, "msrvtt", annotations=files, protocol="full")
    assert texts(rows, "train") == [("video1", "a"), ("video1", "b")]
    assert texts(rows, "test") == [("video2", "c"), ("video3", "d"), ("video3", "e")]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"clip_id": "video1"}, "line 1: no 'text'"),
        ({"text": "a"}, "line 1: no 'clip_id'"),
        ({"clip_id": "video1", "text": ["a", None]}, "line 1: 'text' is a list, not a text"),
        ({"clip_id": "../../etc/video", "text": "a"}, "outside of `root`"),
    ],
)
def test_mistakes_in_the_lines_are_named(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    put(tmp_path / "raw", "train.jsonl", lines(record))
    with pytest.raises(ValueError, match=message):
        read(tmp_path, "msrvtt", annotations={"train": "train.jsonl"})


def test_formats_with_annotations_of_their_own_refuse_others() -> None:
    with pytest.raises(ValueError, match=r"here: .*`annotations`: webvid has none of its own; those that do: folder"):
        build(CorpusSettings, {"format": "webvid", "root": "x", "annotations": {"train": "a.csv"}}, "here")
