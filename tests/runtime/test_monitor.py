"""What a job takes of the machine, against what it is known to take."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest

from clipvip.runtime import monitor
from clipvip.runtime.monitor import Usage


def sampled(path: Path) -> pd.DataFrame:
    """The samples so far; none before the head is written."""
    return pd.read_csv(path) if path.exists() and path.stat().st_size else pd.DataFrame()


def wait_for(happened: Callable[[], bool]) -> None:
    """A minute at most, for a machine that is busy elsewhere."""
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


class Process(psutil.Process):
    """What psutil says of a process, made up; of one that is gone where it took no time at all."""

    def __init__(self, seconds: tuple[float, float], megabytes: int) -> None:
        self.seconds, self.megabytes = seconds, megabytes

    def cpu_times(self) -> SimpleNamespace:
        if not any(self.seconds):
            raise psutil.NoSuchProcess(1)
        return SimpleNamespace(user=self.seconds[0], system=self.seconds[1])

    def memory_info(self) -> SimpleNamespace:
        if not any(self.seconds):
            raise psutil.NoSuchProcess(1)
        return SimpleNamespace(rss=self.megabytes * monitor.MB)


WORK = """
import sys, time
began = time.process_time()
while time.process_time() - began < 0.5: pass
print("worked", flush=True)
sys.stdin.read()
"""


def test_memory_and_processor_time_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child takes half a second of processor time, however long it waits for a core, and ends after its sample."""
    monkeypatch.setattr(monitor, "FIRST", 0.15)
    path = tmp_path / "system.csv"
    with Usage(path):
        wait_for(lambda: len(sampled(path)) >= 1)
        held = np.ones(200 * monitor.MB, np.uint8)
        with subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"worked\n"
            before = len(sampled(path))
            wait_for(lambda: len(sampled(path)) >= before + 2)  # the first of them may have begun before
            child.communicate()
        assert held[-1] == 1
    rows = sampled(path)
    assert tuple(rows.columns) == monitor.COLUMNS
    assert rows["second"].is_monotonic_increasing
    assert rows["memory_mb"].max() - rows["memory_mb"].iloc[0] >= 190
    seconds = (rows["cpu_percent"] / 100 * rows["second"].diff().fillna(rows["second"])).sum()
    assert seconds >= 0.3  # of 0.5: the seconds of a sample have one digit


def test_processor_time_and_memory_are_summed_over_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: from 3 s to 7.5 s of processor time within 5 s on the clock is 90 %."""
    usage = Usage(tmp_path / "system.csv")
    usage._began, usage._clock, usage._busy = 100.0, 110.0, 3.0
    monkeypatch.setattr(monitor.time, "perf_counter", lambda: 115.0)
    tree = [Process((5.0, 1.5), 3), Process((1.0, 0.0), 4), Process((0.0, 0.0), 9)]
    monkeypatch.setattr(monitor, "_tree", lambda: tree)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert usage._row() == ["15.0", "90", "7", ""]


@pytest.mark.parametrize("importing", ["torch", "torch.cuda", "neither"])
@pytest.mark.parametrize(("initialized", "expected"), [(False, ""), (True, "3")])
def test_torch_is_left_alone_until_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, importing: str, initialized: bool, expected: str
) -> None:
    """While another thread imports it or its `cuda`, either is listed and half there; `torch` need not have `cuda`."""
    for name in ("torch", "torch.cuda"):
        module = SimpleNamespace(__spec__=SimpleNamespace(_initializing=name == importing))
        if name == "torch.cuda":
            module.is_initialized, module.memory_reserved = lambda: initialized, lambda: 3 * monitor.MB
        monkeypatch.setitem(sys.modules, name, module)
    assert monitor._gpu() == (expected if importing == "neither" else "")
    monkeypatch.delitem(sys.modules, "torch.cuda")
    assert monitor._gpu() == ""


def test_a_short_job_has_one_sample_and_a_failed_one_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Usage(tmp_path / "system.csv"):
        raise KeyError
    assert len(pd.read_csv(tmp_path / "system.csv")) == 1
