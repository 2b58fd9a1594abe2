"""Clips for training that a set's own test clips show; against sets written out by hand."""

from pathlib import Path

import pytest
from raw_corpora import VIDEO, put, read, texts, write_msrvtt

HEAD = "path,text,split,start,end,source_video\n"


@pytest.mark.parametrize(
    ("train", "how"),
    [
        ("a.mp4,x,train,,,", "file"),  # the same path, whole
        ("./a.mp4,x,val,8,12,", "file"),  # val is for training too; stretches overlap by two seconds
        ("copy.mp4,x,train,9.5,20,", "content"),
        ("link.mp4,x,train,0,6,", "file"),
        ("other.mp4,x,train,,,film", "source video"),
        ("a.mp4,x,train,10,20,", "source video"),  # touches, and shares no moment
    ],
)
def test_what_a_test_clip_shows_is_not_trained_on(tmp_path: Path, train: str, how: str) -> None:
    root = tmp_path / "raw"
    put(root, "annotations.csv", f"{HEAD}{train}\nb.mp4,y,train,,,\na.mp4,z,test,5,10,film\n")
    for name in ("a.mp4", "b.mp4", "other.mp4"):
        put(root, name, VIDEO)
    (root / "copy.mp4").write_bytes((root / "a.mp4").read_bytes())
    (root / "link.mp4").symlink_to(root / "a.mp4")
    receipt, rows = read(tmp_path, "folder")
    assert texts(rows, "train") == [("b.mp4", "y")]
    assert [each["test"] for each in receipt["own_tests"]] == [f"a.mp4@5-10, by {how}"]
    assert receipt["found"] == 2
    receipt, rows = read(tmp_path, "folder", same_source="keep")
    kept = how == "source video"
    assert ("own_tests" in receipt, "same_source" in receipt) == (not kept, kept)
    assert len(rows) == 2 + kept


def test_msrvtt_keeps_other_moments_of_a_video_and_no_shared_ones(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_msrvtt(root)
    times = {"video0": (0, 10), "video1": (19, 30), "video7020": (10, 20)}
    url = "https://www.youtube.com/watch?v=AAAAAAAAAAA"
    videos = [
        {"video_id": name, "url": url, "start time": start, "end time": end, "split": ""}
        for name, (start, end) in times.items()
    ]
    sentences = [{"video_id": name, "caption": name} for name in times]
    put(root, "MSRVTT_data.json", {"videos": videos, "sentences": sentences})
    receipt, rows = read(tmp_path, "msrvtt")
    assert texts(rows, "train") == [("video0", "video0")]
    assert receipt["own_tests"] == [{"clip_id": "video1", "test": "video7020, by moments"}]
    assert receipt["same_source"] == [{"clip_id": "video0", "test": "video7020, by source video"}]
    assert rows.set_index("clip_id")["cluster"]["video7020"] == "AAAAAAAAAAA"


def test_a_film_on_both_sides_of_lsmdc(tmp_path: Path) -> None:
    def row(film: str, start: str, end: str) -> str:
        return "\t".join([f"{film}_00.00.{start}-00.00.{end}", *["0"] * 4, "said"]) + "\n"

    root = tmp_path / "raw"
    train = row("1001_A_Film", "01.000", "02.000") + row("1002_B", "01.000", "02.000")
    put(root, "LSMDC16_annos_training.csv", train)
    put(root, "LSMDC16_annos_val.csv", row("1003_C", "01.000", "02.000"))
    put(root, "LSMDC16_challenge_1000_publictect.csv", row("1001_A_Film", "05.000", "06.500"))
    for film, times in (("1001_A_Film", "01.000-00.00.02.000"), ("1002_B", "01.000-00.00.02.000")):
        put(root, f"{film}_00.00.{times}.avi", VIDEO)
    put(root, "1001_A_Film_00.00.05.000-00.00.06.500.avi", VIDEO)
    receipt, rows = read(tmp_path, "lsmdc")
    assert set(rows["cluster"]) == {"1001_A_Film", "1002_B"}
    assert [each["clip_id"] for each in receipt["own_tests"]] == ["1001_A_Film_00.00.01.000-00.00.02.000"]
