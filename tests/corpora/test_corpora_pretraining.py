"""The readers of the corpora for pre-training, on files with the oddities of the public releases."""

import json
from pathlib import Path

import lmdb
import pytest
from raw_corpora import IMAGE, VIDEO, put, read, texts

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats import hdvila
from clipvip.corpora.formats.border import Border


def test_hdvila_joins_lists_and_subtitles(tmp_path: Path) -> None:
    def video(name: str, *clips: int) -> str:
        spans = [{"clip_id": f"{name}.{n}.mp4", "span": ["00:01:02.5", "01:00:09.120"]} for n in clips]
        return json.dumps({"video_id": name, "url": "", "clip": spans})

    root = tmp_path / "raw"
    put(root, "metafiles/meta_part1.jsonl", video("-b_", 4))
    put(root, "metafiles/meta_part0.jsonl", f"\n{video('aBc', 1, 3)}\n\n")
    said = [{"clip_id": "aBc.3.mp4", "text": "so   yeah"}, {"clip_id": "-b_.4.mp4", "text": "hello"}]
    put(root, "subtitles.jsonl", json.dumps(said[0]) + "\n\n" + json.dumps([said[1]]))
    for name in ("video_clips/aBc/aBc.1.mp4", "video_clips/aBc/aBc.3.mp4", "video_clips/-b_/-b_.4.mp4"):
        put(root, name, VIDEO)
    receipt, rows = read(tmp_path, "hdvila")
    assert texts(rows, "train") == [("aBc.3.mp4", "so yeah"), ("-b_.4.mp4", "hello")]
    assert rows["path"].tolist() == ["video_clips/aBc/aBc.3.mp4", "video_clips/-b_/-b_.4.mp4"]
    assert rows["start"].isna().all()  # a cut file is whole
    assert receipt["empty_text_ids"] == ["aBc.1.mp4"]
    put(root, "metafiles/meta_part1.jsonl", "{'video_id': 'x'}\n")
    with pytest.raises(ValueError, match=r"meta_part1.jsonl: line 1: not JSON"):
        read(tmp_path, "hdvila", max_bad=0)


def test_hdvila_subtitles_in_parts_and_the_last_of_a_clip_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdvila, "PART", 3)
    said = [(n % 5, f"line {n}") for n in range(11)]
    put(tmp_path, "subtitles.jsonl", "\n".join(json.dumps({"clip_id": f"{c}.mp4", "text": t}) for c, t in said))
    clips = [{"clip_id": f"{n}.mp4"} for n in (4, 0, 9, 1)]
    put(tmp_path, "metafiles/a.jsonl", json.dumps({"video_id": "v", "clip": clips}))
    settings = CorpusSettings(format="hdvila", root=str(tmp_path))
    found = {clip.clip_id: clip.texts for clip in hdvila.read(tmp_path, settings, Border())}
    assert found == {"4.mp4": ("line 9",), "0.mp4": ("line 10",), "9.mp4": (), "1.mp4": ("line 6",)}
    put(tmp_path, "subtitles.jsonl", '\n{"clip_id": "0.mp4", "text": 3}')
    border = Border()
    assert [clip.texts for clip in hdvila.read(tmp_path, settings, border)] == [()] * 4
    assert [(each["record"].split(": ")[-1], each["reason"]) for each in border.aside] == [
        ("line 2", "'text' is a number, not a text")
    ]


def test_hdvila_subtitles_in_a_database(tmp_path: Path) -> None:
    put(tmp_path, "metafiles/a.jsonl", json.dumps({"video_id": "v", "clip": [{"clip_id": "v.1.mp4"}]}))
    base = lmdb.open(str(tmp_path / "subtitles"))
    with base, base.begin(write=True) as transaction:
        transaction.put(b"v.1.mp4", b"so yeah")
    found = [
        clip.texts for clip in hdvila.read(tmp_path, CorpusSettings(format="hdvila", root=str(tmp_path)), Border())
    ]
    assert found == [("so yeah",)]


def test_webvid_rows_with_commas_floats_and_gaps(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    head = "videoid,contentUrl,duration,page_dir,name\r\n"
    rows_ = (
        '0012,u,PT00H00M12S,000001_000050,"Aerial view, ""city"" at dusk"\r\n'
        "34.0,u,PT00H00M12S,000051_000100,plain\r\n"
        "\r\n56,u,,000051_000100,\r\n,u,,000051_000100,no id\r\n78,u,,,no folder"
    )
    put(root, "results_2M_train.csv", head + rows_)
    put(root, "results_2M_val.csv", head + "90,u,,000001_000050,held\n")
    for name in ("000001_000050/0012", "000051_000100/34", "000051_000100/56", "000001_000050/90"):
        put(root, f"videos/{name}.mp4", VIDEO)
    receipt, rows = read(tmp_path, "webvid")
    assert texts(rows, "train") == [("0012", 'Aerial view, "city" at dusk'), ("34", "plain")]
    assert texts(rows, "val") == [("90", "held")]
    assert receipt["missing"] == ["results_2M_train.csv:6", "78"]
    assert receipt["empty_text_ids"] == ["56"]
    put(root, "results_10M_train.csv", head + "90,u,,000001_000050,other\n")
    with pytest.raises(ValueError, match="holds 2M and 10M; choose one by `protocol`"):
        read(tmp_path, "webvid")
    assert texts(read(tmp_path, "webvid", protocol="10M")[1], "train") == [("90", "other")]


def test_cc12m_counts_rows_across_both_files(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    put(root, "cc12m.tsv", '\ufeffu\tA "boat on\tthe lake\r\n\nu\tline\u2028sign\x85\nu\t\nu\tgone\n')
    put(root, "cc12m_val.tsv", "u\theld")
    for row in (0, 2, 3, 5):
        put(root, f"images/{row:08d}.jpg", IMAGE)
    receipt, rows = read(tmp_path, "cc12m")
    assert texts(rows, "train") == [("0", 'A "boat on the lake'), ("2", "line sign")]
    assert texts(rows, "val") == [("5", "held")]
    assert (receipt["missing"], receipt["empty_text_ids"]) == (["4"], ["3"])
    put(root, "cc12m.tsv", "u\ta\n\nno tab\n")
    with pytest.raises(ValueError, match=r"cc12m.tsv: line 3: no tab"):
        read(tmp_path, "cc12m", max_bad=0)


@pytest.mark.parametrize(("year", "prefix"), [("2017", ""), ("2014", "COCO_")])
def test_coco_groups_captions_by_image(tmp_path: Path, year: str, prefix: str) -> None:
    root = tmp_path / "raw"
    for split, numbers in (("train", (9, 25)), ("val", (30,))):
        images = [{"id": n, "file_name": f"{prefix}{n:012d}.jpg"} for n in numbers]
        notes = [{"id": 10 * n + k, "image_id": n, "caption": f" {n}, {k}\n"} for k in range(2) for n in numbers]
        put(root, f"annotations/captions_{split}{year}.json", {"images": images, "annotations": notes})
        for image in images:
            put(root, f"{split}{year}/{image['file_name']}", IMAGE)
    _, rows = read(tmp_path, "coco")
    assert texts(rows, "train") == [("9", "9, 0"), ("9", "9, 1"), ("25", "25, 0"), ("25", "25, 1")]
    assert texts(rows, "val") == [("30", "30, 0"), ("30", "30, 1")]
    assert rows["path"].iloc[-1] == f"val{year}/{prefix}000000000030.jpg"
