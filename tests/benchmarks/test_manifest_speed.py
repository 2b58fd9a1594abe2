"""A corpus of ten million rows (the quick table: half a million): written, drawn from, joined with captions and read in
random order, each in a process of its own. `make bench` prints rows/s and peak memory; what is asserted is the memory,
never a time.

BENCH_MANIFEST_ROWS sets another number of rows.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from extent import FULL
from manifest_stages import STAGES

ROOT = Path(__file__).parents[2]
ROWS = int(os.environ.get("BENCH_MANIFEST_ROWS", "10_000_000" if FULL else "500_000"))
MOST_MB = 2000


def measured(rows: int, folder: Path) -> list[dict[str, Any]]:
    """The figures of every stage, in order."""
    place = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    found = []
    for stage in STAGES:
        command = [sys.executable, ROOT / "tests/benchmarks/manifest_stages.py", stage, str(rows), folder]
        done = subprocess.run(list(map(str, command)), env=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
        print(line(found[-1]), flush=True)
    return found


def line(figures: dict[str, Any]) -> str:
    speed = figures["rows"] / figures["seconds"]
    whole = f"{figures['whole']:>8.1f} s in all"
    return (
        f"{figures['stage']:<10}{figures['rows']:>12,} rows{speed:>12,.0f} rows/s{whole}{figures['peak_mb']:>8.0f} MB"
    )


@pytest.mark.slow
def test_rows_need_less_than_two_gigabytes(tmp_path: Path) -> None:
    print(f"\nmanifest of {ROWS:,} rows, each stage a process, peak of its resident memory")
    for figures in measured(ROWS, tmp_path):
        assert figures["peak_mb"] < MOST_MB * max(1, ROWS / 10_000_000)


def test_every_stage_on_few_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(3000, tmp_path)
    assert [figures["rows"] for figures in found] == [300, 3000, 3000, 2700, 3000, 3000]
    assert all(figures["seconds"] > 0 and 50 < figures["peak_mb"] < MOST_MB for figures in found)
    assert capsys.readouterr().out.count(" rows/s") == len(STAGES)
