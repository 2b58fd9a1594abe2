"""What a job takes of the machine, against what it is known to take."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clipvip.runtime import monitor
from clipvip.runtime.monitor import Usage


def test_memory_and_processor_time_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "FIRST", 0.15)
    spin = "import time; e = time.time() + 1.5\nwhile time.time() < e: pass"
    with Usage(tmp_path / "system.csv"):
        time.sleep(0.2)
        held = np.ones(200 * monitor.MB, np.uint8)
        child = subprocess.Popen([sys.executable, "-c", spin])
        time.sleep(1.0)
        assert held[-1] == 1
        child.wait()
    rows = pd.read_csv(tmp_path / "system.csv")
    assert tuple(rows.columns) == monitor.COLUMNS
    assert rows["second"].is_monotonic_increasing
    assert rows["memory_mb"].max() - rows["memory_mb"].iloc[0] >= 190
    assert rows["cpu_percent"].max() > 30  # the child is kept busy, this process sleeps


def test_a_short_job_has_one_sample_and_a_failed_one_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Usage(tmp_path / "system.csv"):
        raise KeyError
    assert len(pd.read_csv(tmp_path / "system.csv")) == 1
