"""Bars of tqdm in a log and in a terminal, and the lines of parallel jobs."""

import io
import subprocess
import sys
import time

import pytest
from tqdm import tqdm

from clipvip.runtime import bars


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def work(stream: object, steps: int = 20, **how: object) -> None:
    for step in tqdm(range(steps), file=stream, disable=None, mininterval=0.0, **how):
        time.sleep(0.01 + 0 * step)


@pytest.mark.parametrize(
    ("bar", "said"),
    [
        (
            "\rfine-tune: 45%|####      | 45/100 [00:10<00:12,  4.50step/s]",
            "fine-tune: 45 of 100, 4.50step/s, 00:12 left",
        ),
        ("\rx:   0%|          | 0/40 [00:00<?, ?step/s]", "x: 0 of 40"),
        ("\rstream: 12clip [00:03,  3.4clip/s]", "stream: 12 clip, 3.4clip/s"),
        ("\r  7%|7| 7/100 [01:10<15:30, 10.00s/it, loss=0.5]", "7 of 100, 10.00s/it, 15:30 left, loss=0.5"),
        (
            "\rsha256: a:  50%|5| 1/2 [1:00:00<1:00:00, 3600.00s/file]   ",
            "sha256: a: 1 of 2, 3600.00s/file, 1:00:00 left",
        ),
        ("plain text [00:01<00:02, x]", None),
        ("\r          \r", None),
    ],
)
def test_what_a_bar_says(bar: str, said: str | None) -> None:
    assert bars.words(bar) == said


def test_a_bar_in_a_log_is_lines_at_intervals_with_their_prefix() -> None:
    out, heard = io.StringIO(), list[str]()
    lines = bars.Lines(out, "d, replicate 1 | ", heard.append, every=0.05)
    begun = time.monotonic()
    work(lines, desc="fine-tune msrvtt", unit="step")
    spent = time.monotonic() - begun
    print("after\nit", file=lines)
    shown = out.getvalue().splitlines()
    assert shown[-2:] == ["d, replicate 1 | after", "d, replicate 1 | it"]
    assert 2 <= len(shown) - 2 <= spent / 0.05 + 1
    assert all(line.startswith("d, replicate 1 | fine-tune msrvtt: ") for line in shown[:-2])
    assert shown[-3].startswith("d, replicate 1 | fine-tune msrvtt: 20 of 20, ")  # the end, since it was shown before
    assert heard[-1].startswith("fine-tune msrvtt: 20 of 20")
    assert "\r" not in out.getvalue()


def test_a_short_bar_leaves_no_line_in_a_log_and_an_outer_one_is_shown_among_inner_ones() -> None:
    out = io.StringIO()
    lines = bars.Lines(out, every=1.0)
    for _ in tqdm(range(30), desc="outer", file=lines, disable=None, mininterval=0.0):
        work(lines, 4, desc="inner", leave=False)
    shown = out.getvalue().splitlines()
    assert shown
    assert all(line.startswith("outer: ") for line in shown)


def test_a_terminal_gets_what_tqdm_sends() -> None:
    plain, through = Terminal(), Terminal()
    for stream in (plain, bars.Lines(through, "never | ")):
        for text in ("\rx:  50%|5| 1/2 [00:01<00:01,  1.00it/s]", "\n", "hello", "\n"):
            stream.write(text)
    assert through.getvalue() == plain.getvalue()


def test_lines_of_processes_stay_whole(tmp_path: object) -> None:
    """Two at a time into one pipe: each line is of one of them."""
    code = "from clipvip.runtime import bars\nimport sys\nwith bars.shown(sys.argv[1] + ' | '):\n"
    code += "    for i in range(400):\n        print('x' * 50, i, file=sys.stderr)"
    both = f'{sys.executable} -c "$0" a & {sys.executable} -c "$0" b & wait'
    done = subprocess.run(["bash", "-c", both, code], capture_output=True, text=True, check=True)
    found = done.stderr.splitlines()
    assert sorted(found) == sorted(f"{name} | {'x' * 50} {i}" for name in "ab" for i in range(400))


def test_lines_are_told_apart_and_so_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with bars.told_apart("table of main"):
            print("two\nlines")
            raise ValueError("no plan")

    with pytest.raises(ValueError, match="no plan") as caught:
        fail()
    assert capfd.readouterr().out == "table of main | two\ntable of main | lines\n"
    assert caught.value.__notes__ == ["table of main | "]
