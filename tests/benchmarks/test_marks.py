"""A missed mark fails, a dash never does; which processors have bf16 instructions, by lines of /proc/cpuinfo."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from marks import NONE, Mark, Row, missed, multiplies_bf16, quotient, table, write


@pytest.mark.parametrize(
    ("mark", "figure", "lost"),
    [
        (Mark(least=1.25), 1.25, False),
        (Mark(least=1.25), 1.2499, True),
        (Mark(most=0.40), 0.40, False),
        (Mark(most=0.40), 0.4001, True),
        (Mark(least=1.25), math.nan, True),
        (NONE, 0.0, False),
        (NONE, math.nan, False),
    ],
)
@pytest.mark.parametrize("bf16", [False, True])
def test_a_bound_is_missed_on_its_wrong_side(mark: Mark, figure: float, lost: bool, bf16: bool) -> None:
    assert mark.missed(figure, bf16=bf16) is lost


def test_a_mark_of_other_processors_is_a_dash_beside_what_was_measured() -> None:
    mark = Mark(least=3.5, without_bf16=0.26)
    assert mark.missed(0.26, bf16=True)
    assert not mark.missed(0.01, bf16=False)
    assert mark.text(bf16=True) == ">= 3.50 (fast bf16)"
    assert mark.text(bf16=False) == "- (without fast bf16: 0.26)"
    assert (NONE.text(), Mark(most=0.4).text(), Mark(least=1.25).text()) == ("-", "<= 0.40", ">= 1.25")


def test_slack_is_a_share_of_the_mark() -> None:
    assert not Mark(least=2.0).missed(1.9, slack=0.05)
    assert Mark(least=2.0).missed(1.89, slack=0.05)
    assert not Mark(most=2.0).missed(2.1, slack=0.05)
    assert Mark(most=2.0).missed(2.11, slack=0.05)


def test_the_table_and_the_file_say_what_is_missed(tmp_path: Path) -> None:
    times = {"slow": [3.0, 8.0, 4.0], "fast": [1.0, 2.0, 2.0]}
    rows = [quotient("x", times, "slow", "fast", Mark(least=3.1)), Row("y", 1.0, 1.0, 1.0)]
    assert (rows[0].figure, rows[0].low, rows[0].high) == (3.0, 2.0, 4.0)
    assert missed(rows, 0.0) == ["x: 3.000, wanted >= 3.10"]
    assert missed(rows, 0.05) == []
    assert [("MISSED" in line) for line in table(rows).splitlines()] == [False, True, False]
    assert "MISSED" not in table(rows, slack=0.05)
    write(rows, tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert [(row["reach"], row["missed"]) for row in found] == [(">= 3.10", True), ("-", False)]


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 avx2\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f\nbugs\t\t: bf16\n", False),
        ("", False),
    ],
)
def test_bf16_instructions_by_the_flags(cpuinfo: str, expected: bool) -> None:
    assert multiplies_bf16(cpuinfo) is expected


@pytest.mark.parametrize(("figure", "code"), [(0.9, 0), (0.7, 1)])
def test_a_missed_mark_ends_with_exit_code_1(tmp_path: Path, figure: float, code: int) -> None:
    here = Path(__file__).parent
    (tmp_path / "test_table.py").write_text(
        f"import sys\nsys.path.insert(0, {str(here)!r})\nfrom marks import Mark, Row, missed\n"
        f"def test_table():\n    assert not missed([Row('x', {figure}, 0.0, 1.0, Mark(least=0.8))], 0.0)\n"
    )
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", tmp_path, tmp_path, "-q"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code, done.stdout
