import io

from clipvip.runtime.legible import Legible, brief, short, visible


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
