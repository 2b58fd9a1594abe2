"""The readers of the four downstream sets, on files with the oddities of the public releases."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from raw_corpora import VIDEO, put, read, texts, write_msrvtt


def test_msrvtt_takes_all_captions_to_train_and_the_csv_sentence_to_test(tmp_path: Path) -> None:
    write_msrvtt(tmp_path / "raw")
    receipt, rows = read(tmp_path, "msrvtt")
    assert texts(rows, "train") == [
        ("video0", "a man, in red"),
        ("video0", "a man, in red"),
        ("video1", "a dog runs"),
        ("video1", "a dog runs"),
        ("video2", "rain falls"),
    ]
    assert texts(rows, "test") == [("video7021", "same words"), ("video7020", "same words")]
    assert rows.set_index("clip_id")["path"]["video1"].tolist() == ["MSRVTT_Videos/video1.webm"] * 2
    assert receipt == {
        "clips": 5,
        "texts": 7,
        "splits": {"train": {"clips": 3, "texts": 5}, "test": {"clips": 2, "texts": 2}},
        "found": 5,
        "missing": [],
        "num_missing": 0,
        "unreadable": [],
        "num_unreadable": 0,
        "empty_texts": 1,
        "empty_text_ids": ["video0"],
    }


def test_msrvtt_protocols(tmp_path: Path) -> None:
    write_msrvtt(tmp_path / "raw", folder="videos")
    assert {*read(tmp_path, "msrvtt", protocol="7k")[1]["clip_id"]} == {"video1", "video7020", "video7021"}
    _, rows = read(tmp_path, "msrvtt", protocol="full")
    assert texts(rows, "val") == [("video2", "rain falls")]
    assert texts(rows, "test") == [("video7020", "not the sentence of the csv"), ("video7021", "x")]
    with pytest.raises(ValueError, match="protocol '1ka' is none of 9k, 7k, full"):
        read(tmp_path, "msrvtt", protocol="1ka")


def test_msrvtt_in_the_two_files_of_the_first_release(tmp_path: Path) -> None:
    write_msrvtt(tmp_path / "raw")
    whole = json.loads((tmp_path / "raw/MSRVTT_data.json").read_text())
    expected = read(tmp_path, "msrvtt")[1]
    (tmp_path / "raw/MSRVTT_data.json").unlink()
    for name, here in (("train_val", lambda i: len(i) < 7), ("test", lambda i: len(i) > 7)):
        part = {key: [entry for entry in whole[key] if here(entry["video_id"])] for key in ("videos", "sentences")}
        put(tmp_path / "raw", f"{name}_videodatainfo.json", part)
    pd.testing.assert_frame_equal(read(tmp_path, "msrvtt")[1], expected)
    (tmp_path / "raw/test_videodatainfo.json").unlink()
    with pytest.raises(ValueError, match=r"no MSRVTT_data.json"):
        read(tmp_path, "msrvtt")


def _didemo(root: Path) -> None:
    def record(video: str, text: str, *times: tuple[int, int]) -> dict[str, Any]:
        return {
            "annotation_id": 1,
            "description": text,
            "dl_link": "",
            "num_segments": 6,
            "times": times,
            "video": video,
        }

    train = [
        record("1@N00_1_aa.mov", "it ends \n", (4, 5), (4, 4), (4, 5), (4, 5)),
        record("2@N00_2_bb.", "empty  ending", (0, 0)),
        record("1@N00_1_aa.mp4", " it begins", (0, 0), (0, 1), (0, 0), (0, 0), (0, 1), (0, 0), (5, 5)),
        record("1@N00_1_aa.mov", "it goes on", (5, 5), (1, 1)),
        record("1@N00_1_aa.mov", "it goes on and on", (1, 1)),
        record("3@N00_3_123456.avi", "not listed", (0, 0)),
    ]
    put(root, "train_data.json", train)
    put(root, "train_list.txt", "1@N00_1_aa.mp4\r\n2@N00_2_bb.\n\n4@N00_4_dd.mov")
    put(root, "val_data.json", [record("5@N00_5_ee.3gp", "one", (0, 0)), record("6@N00_6_ff.mts", "two", (0, 0))])
    put(root, "test_data.json", [record("7@N00_7_gg.m4v", "three", (0, 0))])
    names = ("1@N00_1_aa.mp4", "2@N00_2_bb..mp4", "3@N00_3_123456.avi", "4@N00_4_dd.mov", "5@N00_5_ee.3gp.mp4")
    for name in (*names, "6@N00_6_ff.mp4", "7@N00_7_gg.mov"):
        put(root, f"videos/{name}", VIDEO)


def test_didemo_joins_by_stem_in_the_order_of_the_moments(tmp_path: Path) -> None:
    _didemo(tmp_path / "raw")
    receipt, rows = read(tmp_path, "didemo")
    assert texts(rows, "train") == [
        ("1@N00_1_aa", "it begins it goes on it goes on and on it ends"),
        ("2@N00_2_bb", "empty ending"),
    ]
    assert [Path(path).name for path in rows["path"]] == [
        "1@N00_1_aa.mp4",
        "2@N00_2_bb..mp4",
        "5@N00_5_ee.3gp.mp4",
        "6@N00_6_ff.mp4",
        "7@N00_7_gg.mov",
    ]
    assert receipt["empty_text_ids"] == ["4@N00_4_dd"]  # listed, never described
    assert set(rows["source"]) == {"paragraph"}
    assert set(zip(rows["start"], rows["end"], strict=True)) == {(0.0, 30.0)}


def test_didemo_without_a_list_takes_every_described_recording(tmp_path: Path) -> None:
    _didemo(tmp_path / "raw")
    (tmp_path / "raw/train_list.txt").unlink()
    _, rows = read(tmp_path, "didemo")
    assert [clip_id for clip_id, _ in texts(rows, "train")] == ["1@N00_1_aa", "2@N00_2_bb", "3@N00_3_123456"]


def _lsmdc_row(clip_id: str, sentence: str) -> str:
    return "\t".join([clip_id, *["00.00.01.000"] * 4, sentence])


def _lsmdc(root: Path) -> list[str]:
    ids = [f"100{n}_An_Invented_Film_00.0{n}.01.500-00.0{n}.03.000" for n in range(5)]
    train = [
        _lsmdc_row(ids[0], 'SOMEONE says "stop and runs.') + "\r\n",  # an unbalanced quote
        _lsmdc_row(ids[1], "A caf\u00e9.") + "\n",
        "\n",
        _lsmdc_row(ids[0], "Again  he runs.") + "\n",  # the id a second time
        _lsmdc_row(ids[2], "") + "\n",  # an empty last column
        _lsmdc_row(ids[2], 'He "stops\tagain.'),
    ]
    put(root, "LSMDC16_annos_training.csv", "".join(train).encode("latin-1"))  # not UTF-8
    put(root, "LSMDC16_annos_val.csv", "\ufeff" + _lsmdc_row(ids[3], "Val.") + "\n")
    put(root, "LSMDC16_challenge_1000_publictect.csv", _lsmdc_row(ids[4], "Test.") + "\n")
    for clip_id in ids:
        put(root, f"videos/{clip_id.rsplit('_', 1)[0]}/{clip_id}.avi", VIDEO)
    return ids


def test_lsmdc_keeps_quotes_dots_and_every_row(tmp_path: Path) -> None:
    ids = _lsmdc(tmp_path / "raw")
    with pytest.warns(UserWarning, match=r"training.csv: 1 lines are not UTF-8"):
        receipt, rows = read(tmp_path, "lsmdc")
    assert texts(rows, "train") == [
        (ids[0], 'SOMEONE says "stop and runs.'),
        (ids[0], "Again he runs."),
        (ids[1], "A caf\ufffd."),
        (ids[2], 'He "stops again.'),
    ]
    assert (texts(rows, "val"), texts(rows, "test")) == ([(ids[3], "Val.")], [(ids[4], "Test.")])
    assert rows["path"].iloc[0] == f"videos/1000_An_Invented_Film/{ids[0]}.avi"
    assert receipt["empty_text_ids"] == [ids[2]]


def test_lsmdc_with_commas_is_refused(tmp_path: Path) -> None:
    _lsmdc(tmp_path / "raw")
    put(tmp_path / "raw", "LSMDC16_annos_training.csv", "id,0,0,0,0,text\n")
    with pytest.raises(ValueError, match=r"training.csv: line 1: 1 columns, not 6 \(tab-separated\)"):
        read(tmp_path, "lsmdc", max_bad=0)


def test_activitynet_paragraphs_and_ids(tmp_path: Path) -> None:
    def entry(*sentences: str) -> dict[str, Any]:
        return {"duration": 61.4, "timestamps": [[0.31, 20.5], [30, 18]], "sentences": sentences}

    root = tmp_path / "raw"
    put(
        root,
        "train.json",
        {"v_-aBcD_12345": entry("A man waves.", " He then\nsits down."), "v_v_cdefghijk": entry("X.")},
    )
    put(root, "val_1.json", {"_v_bcdefghi": entry("Bare id."), "v_abcdefghi": entry("Looks marked.", "")})
    for name in ("videos/v_-aBcD_12345.mkv", "videos/v_cdefghijk.mp4", "videos/_v_bcdefghi.mp4"):
        put(root, name, VIDEO)
    put(root, "Activity_Videos/v_abcdefghi.webm", VIDEO)
    receipt, rows = read(tmp_path, "activitynet")
    assert texts(rows, "train") == [("v_-aBcD_12345", "A man waves. He then sits down."), ("v_v_cdefghijk", "X.")]
    assert texts(rows, "test") == [("v__v_bcdefghi", "Bare id."), ("v_v_abcdefghi", "Looks marked.")]
    assert receipt["found"] == 4
