"""`ablate_<study>` makes that study alone, `ablate_all` all of them with their one estimate of training noise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("target", "tables", "together"), [("ablate_main", 1, 0), ("ablate_all", 6, 1)])
def test_jobs_of_a_target(tmp_path: Path, target: str, tables: int, together: int) -> None:
    words = ["-n", "--cores", "1", "--configfile", "experiments/smoke.yaml", "--config", f"results={tmp_path}", "--"]
    command = [str(Path(sys.executable).parent / "snakemake"), *words, target]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    assert counts["table"] == tables
    assert counts.get("all_tables", 0) == together
