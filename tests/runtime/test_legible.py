import io

from clipvip.runtime.legible import Legible, brief, cell, short, visible


def test_escapes_are_shown_and_not_sent() -> None:
    assert visible("a\x1b[2J\x07\u202eb\tc\n") == "a\\x1b[2J\\x07\\u202eb\tc\n"
    out = io.StringIO()
    stream = Legible(out)
    for text in ("\rbar 3/7", "\n\x1b[A", "id \x1b]0;title\x07\rover"):
        stream.write(text)
    assert out.getvalue() == "\rbar 3/7\n\x1b[Aid \\x1b]0;title\\x07\\rover"


def test_names_are_few_and_short() -> None:
    assert short(["a", "b"]) == "a, b"
    assert short([str(n) for n in range(7)]) == "0, 1, 2, 3, 4, ... (2 more)"
    assert len(short(["x" * 10**6] * 10**4)) < 700
    assert brief("x" * 200, 30) == "x" * 15 + "..." + "x" * 10


def test_no_cell_of_a_table_begins_as_a_formula() -> None:
    dangerous = ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1"]
    assert [cell(text) for text in dangerous] == [f"'{text}" for text in dangerous]
    assert [cell(text) for text in ("a=1", " =1", "", "video 1.mp4")] == ["a=1", " =1", "", "video 1.mp4"]
