"""A test clip is found under every name it may have, and by its bytes; against sets written out by hand."""

from pathlib import Path

import pytest

from clipvip.corpora import leakage
from clipvip.corpora.leakage import Leaks, TestClip


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("video7020.mp4", "video7020"),
        ("videos/all/video7020.webm", "video7020"),
        ("v.1/ytvideo9001.3.mp4", "ytvideo9001.3"),  # only the last ending goes
        ("videos/video7020", "video7020"),
        ("a.folder/video7020", "video7020"),
    ],
)
def test_the_file_goes_by_its_name_without_folder_and_ending(path: str, stem: str) -> None:
    assert leakage.names("clip", path, None) == {"clip", stem}


def test_all_three_names_and_no_empty_one() -> None:
    assert leakage.names("ret12", "test/video7020.mp4", "tube") == {"ret12", "video7020", "tube"}
    assert TestClip("ret12", "test/video7020.mp4").names == {"ret12", "video7020"}
    assert leakage.names("", "", "") == set()


def test_a_clip_is_known_by_each_of_its_names_whatever_the_ending() -> None:
    leaks = Leaks({"msrvtt": (Path("/nowhere"), [TestClip("ret12", "test/video7020.mp4", "tube")])})
    for clip_id, path, origin in (
        ("ret12", "x.mp4", None),
        ("x", "elsewhere/video7020.webm", None),
        ("video7020", "x.mp4", ""),
        ("x", "tube.mkv", None),
        ("x", "x.mp4", "tube"),
    ):
        assert leaks.named(clip_id, path, origin) == "msrvtt/ret12, by id"
    assert leaks.named("video702", "test/video7020.mp4.part", "mp4") is None
    assert Leaks().named("ret12", "video7020.mp4", "tube") is None


def test_same_bytes_are_found_and_files_of_another_size_are_not_read(tmp_path: Path) -> None:
    for name, content in (("a.mp4", b"abcd"), ("b.mp4", b"abce"), ("c.mp4", b"ab")):
        (tmp_path / name).write_bytes(content)
    clips = [TestClip(name, f"{name}.mp4") for name in ("a", "b", "c", "missing")]
    leaks = Leaks({"didemo": (tmp_path, clips)})
    assert leaks.same_content(4, lambda: b"abce") == "didemo/b, by content"
    assert leaks.same_content(4, lambda: b"abcf") is None
    assert leaks.same_content(3, lambda: pytest.fail("read")) is None


def test_the_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    clips = [TestClip("a,b", 'c/"d".mp4', "tube"), TestClip("e", "f.mp4")]
    leakage.write(iter(clips), tmp_path)
    assert (tmp_path / "test_clips.csv").read_text().splitlines()[0] == "clip_id,path,origin"
    assert leakage.read(tmp_path) == clips


def test_no_test_clip_leaves_no_file(tmp_path: Path) -> None:
    leakage.write([], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert leakage.read(tmp_path) == []
