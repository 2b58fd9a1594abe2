from pathlib import Path

import pytest
from raw_corpora import put

from clipvip.corpora.formats.annotation import clean
from clipvip.corpora.formats.border import Border


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    put(tmp_path, "a", "\ufeffone\t\r\n\n \ntwo\rtoo\x0b\u2028\nthree")
    assert list(Border().lines(tmp_path / "a")) == [(1, "one\t"), (4, "two\rtoo\x0b\u2028"), (5, "three")]
    put(tmp_path, "b", b"good\nbad \xff\n")
    border = Border()
    assert list(border.lines(tmp_path / "b")) == [(1, "good")]
    assert [each["record"] for each in border.aside] == [f"{tmp_path / 'b'}: line 2"]
    assert (border.records, border.num_aside) == (2, 1)


def test_only_broken_bytes_are_replaced_and_warned_of(tmp_path: Path) -> None:
    put(tmp_path, "a", b"caf\xe9 \xef\xbf\xbd\nfine\n\xff\xfe\n")
    with pytest.warns(UserWarning, match=r"a: 2 lines are not UTF-8"):
        said = [line for _, line in Border().lines(tmp_path / "a", repair=True)]
    assert said == ["caf\ufffd \ufffd", "fine", "\ufffd\ufffd"]
    put(tmp_path, "b", "a replacement sign of the file's own: \ufffd\n")
    assert len(list(Border().lines(tmp_path / "b", repair=True))) == 1  # a warning would fail here


def test_clean_collapses_every_kind_of_space() -> None:
    assert clean(" a\u00a0b\t\n c ") == "a b c"
