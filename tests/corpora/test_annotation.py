from pathlib import Path

import pytest
from raw_corpora import put

from clipvip.corpora.formats.annotation import clean, csv_rows, json_lines, lines


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    put(tmp_path, "a", "\ufeffone\t\r\n\n \ntwo\rtoo\x0b\u2028\nthree")
    assert list(lines(tmp_path / "a")) == [(1, "one\t"), (4, "two\rtoo\x0b\u2028"), (5, "three")]
    put(tmp_path, "b", b"good\nbad \xff\n")
    with pytest.raises(ValueError, match=r"b: not UTF-8 after line"):
        list(lines(tmp_path / "b"))


def test_only_broken_bytes_are_replaced_and_warned_of(tmp_path: Path) -> None:
    put(tmp_path, "a", b"caf\xe9 \xef\xbf\xbd\nfine\n\xff\xfe\n")
    with pytest.warns(UserWarning, match=r"a: 2 lines are not UTF-8"):
        assert [line for _, line in lines(tmp_path / "a", errors="replace")] == ["caf� �", "fine", "��"]
    put(tmp_path, "b", "a replacement sign of the file's own: \ufffd\n")
    assert len(list(lines(tmp_path / "b", errors="replace"))) == 1  # a warning would fail here


def test_tables_and_json_lines_name_what_is_wrong(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "x,y\n1,2\n3\n")
    with pytest.raises(ValueError, match=r"a.csv: line 3: 1 columns, the header has 2"):
        list(csv_rows(tmp_path / "a.csv", "x"))
    with pytest.raises(ValueError, match=r"a.csv: no column z; the header is 'x,y'"):
        list(csv_rows(tmp_path / "a.csv", "x", "z"))
    put(tmp_path, "b.csv", b"x\n\xff\n")
    with pytest.raises(ValueError, match=r"b.csv: after line 0: .*utf-8"):
        list(csv_rows(tmp_path / "b.csv", "x"))
    put(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a"\n')
    with pytest.raises(ValueError, match=r"a.jsonl: line 3: not JSON"):
        list(json_lines(tmp_path / "a.jsonl"))


def test_clean_collapses_every_kind_of_space() -> None:
    assert clean(" a\u00a0b\t\n c ") == "a b c"
