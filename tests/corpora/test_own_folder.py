"""A user's own folder: what is seen of it, captions under anybody's column names, splits that part nothing that belongs
together and move nothing when videos are added."""

import shutil
from pathlib import Path

import pytest
from own_videos import write_captions
from video_files import ramp, write_video

from clipvip.corpora.own import captions_table
from clipvip.corpora.own.captions_table import Row
from clipvip.corpora.own.look import look, printable, same_content
from clipvip.corpora.own.splits import assign, split_rows, write

MEDIA = ("a/x.mp4", "a/y.mp4", "b/y.mp4", "b/z.mkv")


def test_what_is_seen_of_a_folder(tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", ramp(8, 64, 96), fps=8.0)
    write_video(tmp_path / "long.mp4", ramp(16), fps=8.0)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("words")
    found = look(tmp_path)
    assert [(video.path, video.seconds, video.width, video.height) for video in found.videos] == [
        ("long.mp4", 2.0, 64, 64),
        ("short.mp4", 1.0, 96, 64),
    ]
    assert found.unreadable == (("empty.mp4", "empty file"),)
    text = "\n".join(found.lines())
    assert "2 can be opened" in text
    assert "median 1.5 s, 1.0 to 2.0 s" in text
    assert "1 left out: empty.mp4 (empty file)" in text
    assert "1 files that are no videos" in text


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"not one of 1 videos can be read; empty\.mp4: empty file"):
        look(tmp_path)


def test_captions_by_path_name_or_stem(tmp_path: Path) -> None:
    table = write_captions(
        tmp_path / "c.csv",
        [
            ("a/x.mp4", " a  dog "),
            ("./b/y.mp4", "it stops"),
            ("z", "the end"),
            ("x.mp4", "again"),
            ("gone.mp4", "nobody"),
            ("x", " "),
        ],
        ("Video", "Sentence"),
    )
    found = captions_table.read(table, MEDIA)
    assert [(row.path, row.text) for row in found.rows] == [
        ("a/x.mp4", "a dog"),
        ("b/y.mp4", "it stops"),
        ("b/z.mkv", "the end"),
        ("a/x.mp4", "again"),
    ]
    assert found.absent == ("gone.mp4",)
    assert found.empty == 1


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (("file", "title"), ("x", "a"), "no column for the text .one of text, caption"),
        (("speech", "text"), ("x", "a"), "no column for the path"),
        (("path", "text"), ("y.mp4", "a"), "line 2: 'y.mp4' may be a/y.mp4, b/y.mp4; give its path"),
        (("path", "text", "split"), ("x", "a", "half"), "line 2: split 'half' is none of"),
    ],
)
def test_mistakes_in_captions(tmp_path: Path, header: tuple[str, ...], row: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        captions_table.read(write_captions(tmp_path / "c.csv", [row], header), MEDIA)


def test_texts_beside_videos(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.txt").write_text("a dog\n\nit  runs\n")
    found = captions_table.beside(tmp_path, MEDIA)
    assert [(row.path, row.text) for row in found.rows] == [("a/x.mp4", "a dog"), ("a/x.mp4", "it runs")]


def test_shares_come_out_and_no_video_moves_when_others_come() -> None:
    first = assign([f"file {i}" for i in range(1000)])
    more = assign([f"file {i}" for i in range(3000)])
    assert all(more[name] == split for name, split in first.items())
    counts = {split: list(more.values()).count(split) for split in ("train", "val", "test")}
    assert abs(counts["test"] / 3000 - 0.2) < 0.03
    assert abs(counts["val"] / 3000 - 0.15) < 0.03
    assert assign(first, seed=1) != first


@pytest.mark.parametrize("count", [4, 5, 6, 9])
def test_few_videos_fill_every_split(count: int) -> None:
    for seed in range(40):
        found = list(assign([f"{i}" for i in range(count)], seed=seed).values())
        assert found.count("train") >= 2
        assert found.count("val") >= 1
        assert found.count("test") >= 1


def test_too_few_videos() -> None:
    with pytest.raises(ValueError, match="3 videos or sources with captions; splits need at least 4"):
        assign(["a", "b", "c"])


def test_what_belongs_together_stays_together(tmp_path: Path) -> None:
    """Clips of a file, files of a folder or a source, and copies under another name."""
    rows = [Row(f"{i % 20}/{i}.mp4", "a", source=f"tape {i % 10}") for i in range(200) for _ in range(2)]
    alone = {row.path: row.path for row in rows}
    for by, key in (
        ("file", lambda row: row.path),
        ("folder", lambda row: row.path.split("/")[0]),
        ("source", lambda row: row.source),
    ):
        found = split_rows(rows, by, alone)  # type: ignore[arg-type]
        assert {row.split for row in found} == {"train", "val", "test"}
        seen: dict[str, set[str]] = {}
        for row in found:
            seen.setdefault(key(row), set()).add(row.split)
        assert all(len(splits) == 1 for splits in seen.values()), by
    for i in range(12):
        write_video(tmp_path / f"{i}.mp4", ramp(4 + i))
        shutil.copy(tmp_path / f"{i}.mp4", tmp_path / f"copy of {i}.mp4")
    paths = sorted(path.name for path in tmp_path.iterdir())
    same = same_content(tmp_path, paths)
    split = {row.path: row.split for row in split_rows([Row(path, "a") for path in paths], "file", same)}
    assert all(split[f"{i}.mp4"] == split[f"copy of {i}.mp4"] for i in range(12))


def test_splits_are_written_in_the_columns_of_the_folder_format(tmp_path: Path) -> None:
    rows = [
        Row("a.mp4", 'a "dog", running', start="1", split="train", source="a tape"),
        Row("b.mp4", "b", split="test"),
    ]
    files = write(rows, tmp_path)
    assert files == {"train": "splits/train.csv", "val": "splits/val.csv", "test": "splits/test.csv"}
    text = (tmp_path / "splits/train.csv").read_text()
    assert text.splitlines() == [
        "path,text,start,end,clip_id,source_video",
        'a.mp4,"a ""dog"", running",1,,,a tape',
    ]


def test_names_are_one_safe_line() -> None:
    assert printable("a\n\x1b[31mb\udcff é") == r"a\n\x1b[31mb\udcff é"
