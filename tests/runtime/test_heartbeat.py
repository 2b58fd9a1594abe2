"""Processes that wait for each other: slow ones are waited for, stuck ones end all within the time that is set."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from pretrain_cells import pretrain_spec

from clipvip.pipeline import task
from clipvip.runtime import distributed

STUCK = 1.5  # seconds after which a process without a sign counts as stuck
PARTS = """
import sys, time
import torch
from clipvip.runtime import distributed
from clipvip.runtime.heartbeat import Stuck
what, seconds = sys.argv[1], float(sys.argv[2])
with distributed.joined("cpu", seconds / 60):
    rank = distributed.rank()
    try:
        if what == "first works alone":
            if rank == 0:
                time.sleep(3 * seconds)
            print("said", distributed.first(7 + rank), flush=True)
        if what in ("last is slow", "last stands still"):
            for _ in range(30 if rank == 2 else 1):
                time.sleep(seconds / 10)
                if what == "last is slow":
                    distributed.moved()
            distributed.together()
            print("said", int(distributed.gather(torch.tensor([1.0])).sum()), flush=True)
        if what == "last is away":
            if rank == 2:
                time.sleep(4 * seconds)
            print("said", distributed.most(rank), flush=True)
    except Stuck as stuck:
        print("stuck:", stuck, flush=True)
"""


def together(what: str, processes: int = 3) -> list[str]:
    """What each of several real processes said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {**os.environ, "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-c", PARTS, what, str(STUCK)]
    started = [
        subprocess.Popen(command, env={**place, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(processes)
    ]
    return [process.communicate(timeout=120)[0] for process in started]


@pytest.mark.slow  # 10 s
def test_a_first_process_that_works_alone_for_longer_than_the_limit_is_waited_for() -> None:
    assert together("first works alone") == ["said 7\n"] * 3


def test_shared_work_that_moves_is_waited_for_and_work_that_stands_still_is_named() -> None:
    assert together("last is slow") == ["said 3\n"] * 3
    said = together("last stands still")
    assert all(each.startswith("stuck: process 2 of 3 has given no sign for 0.025 minutes; ") for each in said[:2])
    assert "run.stuck_minutes" in said[0]


@pytest.mark.slow  # 10 s
def test_an_exchange_ends_in_the_time_that_is_set() -> None:
    said = together("last is away")
    assert re.match(r"stuck: process [01] of 3 waited too long for another one; .*stuck_minutes", said[0])


@pytest.mark.slow  # 30 s
def test_a_process_that_is_stopped_in_training_ends_the_job(tiny_clip_folder: Path, tmp_path: Path) -> None:
    spec = pretrain_spec(tmp_path, tiny_clip_folder, steps=4000)
    words = ["run", str(spec), "--stuck-minutes", "0.1", "--checkpoint-seconds", "0"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = subprocess.Popen(
        [*torchrun, "--shutdown-timeout", "1", "-m", "clipvip", *words],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    work = task.read_spec(spec).work
    while process.poll() is None and not list(work.glob("step-*.pt")):
        time.sleep(0.02)
    workers = {each.environ()["RANK"]: each for each in psutil.Process(process.pid).children()}
    workers["1"].send_signal(signal.SIGSTOP)
    clock = time.monotonic()
    said = process.communicate(timeout=120)[0]
    assert time.monotonic() - clock < 60, "0.1 minutes, and what torchrun takes to end the others"
    assert process.returncode == 1, said
    found = (tmp_path / "failed" / spec.name).read_text()
    assert "process 0 of 2 waited too long" in found


def test_alone_there_is_nobody_to_wait_for() -> None:
    with distributed.joined("cpu") as device:
        distributed.moved()
        distributed.together()
        assert (device, distributed.first(3), distributed.most(4)) == ("cpu", 3, 4)
        assert torch.equal(distributed.gather(torch.ones(2)), torch.ones(2))
