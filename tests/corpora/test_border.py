"""The border for annotations: what breaks a format is set aside and named, whatever bytes a file holds."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_corpora import IMAGE, VIDEO, put, read, texts, write_msrvtt

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.border import Border
from clipvip.corpora.formats.text_files import Repeated, json_value
from clipvip.corpora.reading import Reading

AUTHORS = {"annotations": {"train": "train.jsonl"}}


def aside(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["record"].rsplit(": ", 1)[-1], each["reason"]) for each in receipt["set_aside"]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"clip_id": "video1", "text": NaN}', "'text' is a number, not a text"),
        ('{"clip_id": "video1", "text": null}', "'text' is null, not a text"),
        ('{"clip_id": null, "text": "a"}', "'clip_id' is null, not a text"),
        ('{"clip_id": true, "text": "a"}', "'clip_id' is true, not a text"),
        ('{"clip_id": "", "text": "a"}', "'clip_id' is empty"),
        ('["clip_id"]', "the record is a list, not an object"),
        ('{"clip_id": "v\\ud800", "text": "a"}', "'clip_id' holds bytes that are not UTF-8, or half a surrogate pair"),
        ('{"clip_id": "a", "clip_id": "b", "text": "a"}', "'clip_id' stands twice with different values; keep one"),
        ("[" * 100_000, "not JSON that can be read: nested too deeply"),
        ('{"clip_id": ' + "1" * 5000 + "}", "not JSON that can be read: a number has too many digits"),
        ('{"clip_id": "video1", "text": "' + "a" * ((1 << 20) + 1) + '"}', "'text' has 1,048,577 characters"),
    ],
)
def test_a_bad_line_is_set_aside_and_the_next_one_read(tmp_path: Path, line: str, reason: str) -> None:
    put(tmp_path / "raw", "train.jsonl", line + '\n{"clip_id": 7, "text": "' + "x" * 200_000 + '"}\n')
    put(tmp_path / "raw", "MSRVTT_Videos/7.mp4", VIDEO)
    receipt, rows = read(tmp_path, "msrvtt", **AUTHORS)
    (found,) = aside(receipt)
    assert found[0] == "line 1"
    assert found[1].startswith(reason)
    assert rows["text"].str.len().tolist() == [200_000]
    with pytest.raises(ValueError, match=r"1 of 2 records are set aside: .*train.jsonl: line 1: .*`max_bad`"):
        read(tmp_path, "msrvtt", **AUTHORS, max_bad=0.4)


def test_sentences_that_are_one_text_are_not_taken_letter_by_letter(tmp_path: Path) -> None:
    put(tmp_path / "raw", "train.json", {"v_a": {"sentences": "one two"}, "v_b": {"sentences": ["one", "two"]}})
    put(tmp_path / "raw", "val_1.json", {})
    put(tmp_path / "raw", "videos/b.mp4", VIDEO)
    receipt, rows = read(tmp_path, "activitynet")
    assert aside(receipt) == [("video 'v_a'", "'sentences' is a text, not a list")]
    assert texts(rows, "train") == [("v_b", "one two")]


def test_a_header_of_cc12m_is_no_image(tmp_path: Path) -> None:
    put(
        tmp_path / "raw", "cc12m.tsv", "image_url\tCaption\nhttps://a\tfirst\nhttps://b\tsecond\n\xe9".encode("latin-1")
    )
    put(tmp_path / "raw", "cc12m_val.tsv", "https://c\theld")
    for number in (0, 1, 3):
        put(tmp_path / "raw", f"images/{number:08d}.jpg", IMAGE)
    receipt, rows = read(tmp_path, "cc12m")
    assert texts(rows, "train") == [("0", "first"), ("1", "second")]
    assert texts(rows, "val") == [("3", "held")]  # the broken line keeps its number
    assert aside(receipt)[0][1].startswith("not UTF-8")


def test_files_that_are_no_text_are_refused_with_what_to_do(tmp_path: Path) -> None:
    for data, said in (
        ("path,text\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("path,text\n".encode("utf-16-le"), "zero bytes"),
        (b"\x1f\x8b\x08 cut", "compressed by gzip; unpack it"),
        (b"<!DOCTYPE html><p>404", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"path,text,text\n", "column 'text' stands twice"),
    ):
        put(tmp_path / "raw", "annotations.csv", data)
        with pytest.raises(ValueError, match=rf"annotations.csv: .*{said}"):
            read(tmp_path, "folder")


def test_a_quote_that_is_not_closed_takes_one_row_with_it(tmp_path: Path) -> None:
    rows_ = [
        "x.mp4,one",
        'x.mp4,"open',
        "x.mp4,two",
        'x.mp4,"a\nb"',
        *["x.mp4,more"] * 200,
        'x.mp4,"open',
        "x.mp4,last",
    ]
    put(tmp_path / "raw", "annotations.csv", "path,text\n" + "\n".join(rows_))
    put(tmp_path / "raw", "x.mp4", VIDEO)
    receipt, rows = read(tmp_path, "folder")
    assert rows["text"].tolist() == ["one", "two", "a b", *["more"] * 200, "last"]
    assert [place for place, _ in aside(receipt)] == ["line 3", "line 207"]


def test_names_that_no_file_can_have_are_set_aside(tmp_path: Path) -> None:
    put(tmp_path / "raw", "annotations.csv", f"path,text\n{'n' * 300}.mp4,a\n./x.mp4,b\nx.mp4,c\n../y.mp4,d\n")
    put(tmp_path / "raw", "x.mp4", VIDEO)
    receipt, rows = read(tmp_path, "folder")
    assert texts(rows, "train") == [("x.mp4", "b"), ("x.mp4", "c")]  # ./x.mp4 is x.mp4
    assert receipt["num_set_aside"] == 2


def test_a_repeated_key_with_one_value_holds() -> None:
    assert json_value('{"a": 1, "a": 1}') == {"a": 1}
    assert isinstance(json_value('{"a": 1, "a": 2}')["a"], Repeated)


def test_msrvtt_as_frozen_in_time_distributes_it(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_msrvtt(root, folder="videos/all")
    whole = json.loads((root / "MSRVTT_data.json").read_text())
    expected = {p: texts(read(tmp_path, "msrvtt", protocol=p)[1], "train") for p in ("9k", "full")}
    (root / "MSRVTT_data.json").unlink()
    (root / "MSRVTT_train.9k.csv").unlink()
    notes = [{"image_id": each["video_id"], "caption": each["caption"]} for each in whole["sentences"]]
    put(root, "annotation/MSR_VTT.json", {"annotations": notes, "images": []})
    lists = {"train_list_jsfusion": "video0\nvideo1\nvideo2", "train_list_full": "video0\nvideo1"}
    for name, videos in {**lists, "val_list_full": "video2", "test_list_full": "video7020\nvideo7021"}.items():
        put(root, f"high-quality/structured-symlinks/{name}.txt", videos)
    for protocol, rows in expected.items():
        assert texts(read(tmp_path, "msrvtt", protocol=protocol)[1], "train") == rows
    (root / "MSRVTT_JSFUSION_test.csv").unlink()
    with pytest.raises(ValueError, match="a pickle, which is not read: put that csv beside it"):
        read(tmp_path, "msrvtt")


# ruff: noqa: E501
FILES: dict[str, dict[str, str]] = {
    "cc12m": {"cc12m.tsv": "https://a\tone\nhttps://b\ttwo\n"},
    "coco": {
        "captions_train2017.json": '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "caption": "x"}]}'},
    "webvid": {"results_2M_train.csv": 'videoid,page_dir,name\n1,00,"one, ""two"""\n2,00,three\n'},
    "hdvila": {"metafiles/a.jsonl": '{"video_id": "v", "clip": [{"clip_id": "v.1.mp4"}]}\n', "subtitles.jsonl": '{"clip_id": "v.1.mp4", "text": "so"}\n'},
    "msrvtt": {"MSRVTT_data.json": '{"videos": [{"video_id": "v", "start time": 1, "url": "http://x?v=1"}], "sentences": [{"video_id": "v", "caption": "c"}]}', "MSRVTT_train.9k.csv": "video_id\nv\n", "MSRVTT_JSFUSION_test.csv": "video_id,sentence\nw,s\n"},
    "didemo": {f"{split}_data.json": '[{"video": "a.mov", "description": "d", "times": [[0, 1]]}]' for split in ("train", "val", "test")},
    "lsmdc": {name: "1_F_00.00.01.000-00.00.02.000\t0\t0\t0\t0\ts\n" for name in ("LSMDC16_annos_training.csv", "LSMDC16_annos_val.csv", "LSMDC16_challenge_1000_publictect.csv")},
    "activitynet": {name: '{"v_a": {"sentences": ["one", "two"]}}' for name in ("train.json", "val_1.json")},
    "folder": {"annotations.csv": 'path,text,split,start,end\na.mp4,"x, y",train,0,1\nb.mp4,z,test,1.5,\n'},
}  # fmt: skip
ODD = [b"null", b"NaN", b"[[", b'"', b"\xff\xfe", b"\xe9", b"\0", b"\t", b"\r", b"\n", b"{}", b"-1", b"1e999", b"\\ud800", b"../", b"n" * 300]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*are not UTF-8")
@pytest.mark.parametrize("form", FILES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_done_to_a_file_no_foreign_exception_escapes(
    tmp_path: Path, form: str, data: st.DataObject
) -> None:
    root = tmp_path / form
    for name, text in FILES[form].items():
        put(root, name, text)
    broken = data.draw(st.sampled_from(sorted(FILES[form])))
    content = bytearray(FILES[form][broken].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.sampled_from([0, 0, 1, 3, 10, 1000]))
        content[at : at + length] = data.draw(st.sampled_from(ODD) | st.binary(max_size=4))
    put(root, broken, bytes(content))
    reading = Reading(CorpusSettings.model_validate({"format": form, "root": str(root)}), root)
    try:
        list(reading.parts())
        refused = None
    except ValueError as error:
        refused = error
    assert refused is None or (type(refused) is ValueError and str(root) in str(refused)), repr(refused)
    assert reading.account.border.num_aside <= reading.account.border.records


def test_set_aside_counts_all_and_names_fifty() -> None:
    border = Border()
    for number in range(70):
        border.set_aside("a", f"line {number}", "bad")
    assert (border.num_aside, len(border.aside)) == (70, 50)
