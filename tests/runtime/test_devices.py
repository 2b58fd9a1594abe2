"""Devices are lent to one job at a time, by locks that real processes hold."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipvip.runtime import devices

HOLD = """
import sys, time
from clipvip.runtime import devices
with devices.lent(int(sys.argv[1])) as named:
    print(named.get("CUDA_VISIBLE_DEVICES", "-"), flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a machine with three devices, whose locks lie in a folder of the test."""
    for name in (*devices.SCHEDULERS, devices.VISIBLE, devices.POOL, devices.ORDER):
        monkeypatch.delenv(name, raising=False)
    return {**os.environ, "TMPDIR": str(tmp_path), devices.POOL: "a,b,c"}


def hold(place: dict[str, str], count: int, seconds: float = 60) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(count), str(seconds)]
    return subprocess.Popen(command, env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def given(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_jobs_at_the_same_time_have_devices_of_their_own_and_a_dead_one_has_none(place: dict[str, str]) -> None:
    one, two = hold(place, 1), hold(place, 2)
    first, second = given(one), given(two)
    assert sorted([*first.split(","), *second.split(",")]) == ["a", "b", "c"]
    three = hold(place, 1)
    assert three.stderr is not None
    assert three.stderr.readline() == "waiting for 1 of 3 devices\n"
    one.send_signal(signal.SIGKILL)  # frees what it held
    assert given(three) == first
    for process in (one, two, three):
        process.kill()
        process.communicate()


def test_one_that_waits_for_all_is_not_passed_by_and_two_halves_do_not_wait_for_each_other(
    place: dict[str, str],
) -> None:
    small = hold(place, 1, 1.5)
    assert given(small) == "a"
    large = [hold(place, 3, 0.1), hold(place, 3, 0.1)]
    time.sleep(0.7)  # the first of them has the free ones meanwhile
    late = hold(place, 1, 0.1)
    said = [given(process) for process in large]
    assert said == ["a,b,c", "a,b,c"]
    assert given(late) in "abc"
    for process in (small, *large, late):
        assert process.communicate(timeout=30) is not None
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"CUDA_VISIBLE_DEVICES": "3, 5"}, ["3", "5"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "2,-1,3"}, ["2"]),  # as CUDA reads it
        ({"CUDA_VISIBLE_DEVICES": "3", "CLIPVIP_DEVICES": "x,y"}, ["x", "y"]),
        ({"SLURM_JOB_ID": "7"}, []),  # what the scheduler did not name is not guessed
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"}, ["0", "1"]),
    ],
)
def test_the_pool_is_what_the_environment_names(environment: dict[str, str], found: list[str]) -> None:
    assert devices.pool(environment) == found


def test_what_a_scheduler_granted_is_used_as_it_is_and_shared_only_within_its_job(
    place: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = hold(place, 3)
    assert given(outside) == "a,b,c"
    inside = {**place, "SLURM_JOB_ID": "7", "CLIPVIP_DEVICES": "a,b"}
    whole, part, other = hold(inside, 2), hold(inside, 1), hold(inside, 1)
    assert given(whole) == "-"
    assert sorted([given(part), given(other)]) == ["a", "b"]
    for process in (outside, whole, part, other):
        process.kill()
        process.communicate()


def test_fewer_devices_than_asked_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.POOL, "a,b")
    with pytest.raises(ValueError, match=r"^run.gpus: 3, but there are 2: a, b; ask for fewer$"), devices.lent(3):
        pass
