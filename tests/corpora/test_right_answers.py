"""Further right answers from a csv: how queries are named, and everything that is refused."""

import hashlib
from pathlib import Path

import pytest

from clipvip.config.data import CorpusSettings
from clipvip.corpora import right_answers

OWNERS = ["a", "b", "b", "c", "d"]
TEXTS = ["a dog runs", "a dog runs", "it, barks", "c#0", "a cat"]
GALLERIES = [1, 1, 1, 1, 2]


def _read(tmp_path: Path, *lines: str, header: str = "query,clip_id") -> dict[str, set[str]]:
    path = tmp_path / "more.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8-sig")
    return right_answers.read(path, hashlib.sha256(path.read_bytes()).hexdigest(), OWNERS, TEXTS, GALLERIES)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("b#1,a", {"b#1": {"a"}}),
        ("a,c", {"a#0": {"c"}}),  # the one text of a clip
        ("a dog  runs ,c", {"a#0": {"c"}, "b#0": {"c"}}),  # every query of that text
        ('"it, barks",c', {"b#1": {"c"}}),
        ("c#0,a", {"c#0": {"a"}}),  # an id goes before a text
        ("a,a", {"a#0": set()}),  # its own clip is no further one
    ],
)
def test_a_query_is_named_by_id_clip_or_text(tmp_path: Path, line: str, expected: dict[str, set[str]]) -> None:
    assert _read(tmp_path, line) == expected


def test_lines_add_up(tmp_path: Path) -> None:
    assert _read(tmp_path, "b#0,a", "", "b#0,c", "b#0,a") == {"b#0": {"a", "c"}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b,a", r"more.csv: line 2: no test query 'b'; give its id"),  # b has two texts
        ("a bird,a", r"line 2: no test query 'a bird'"),
        ("a,z", r"line 2: no test clip 'z'"),
        ("a,d", r"line 2: 'd' is in another gallery than 'a'"),
        ("it, barks,c", r"line 2: 3 columns, the header has 2"),
    ],
)
def test_what_is_unknown_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _read(tmp_path, line)


def test_a_missing_column_and_another_content_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no column clip_id; the header is 'query,video'"):
        _read(tmp_path, "a,c", header="query,video")
    path = tmp_path / "more.csv"
    keyed = right_answers.keyed(CorpusSettings(format="msrvtt", root="x", right_answers=str(path)))
    path.write_text("query,clip_id\na,c\n")
    with pytest.raises(ValueError, match="changed since the run was planned"):
        right_answers.read(path, keyed["right_answers_sha256"], OWNERS, TEXTS, GALLERIES)
    with pytest.raises(ValueError, match="no such file; check `right_answers`"):
        right_answers.read(tmp_path / "none.csv", "", OWNERS, TEXTS, GALLERIES)


def test_the_content_is_in_the_key(tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    settings = CorpusSettings(format="msrvtt", root="x", right_answers=str(path))
    assert right_answers.keyed(settings)["right_answers_sha256"] == ""  # planned where the data are not
    path.write_text("query,clip_id\na,c\n")
    assert right_answers.keyed(settings)["right_answers_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert right_answers.keyed(CorpusSettings(format="msrvtt", root="x")) == {}
