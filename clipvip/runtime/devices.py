"""GPUs of this machine, each lent to one job at a time: a job holds the locks of its devices while it lives.

The pool is what CUDA_VISIBLE_DEVICES names, else every GPU that nvidia-smi lists. Inside a scheduler's job it is what
that job was granted, and a job that asks for all of it takes nothing. CLIPVIP_DEVICES names a pool of any words, to see
on a machine without GPUs who would get what.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from clipvip.runtime.files import lock_if_free, locked

POOL, VISIBLE, ORDER = "CLIPVIP_DEVICES", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")  # each names the job that a process is in
PAUSE = 0.5  # seconds between looks at the locks


@contextlib.contextmanager
def lent(count: int) -> Iterator[dict[str, str]]:
    """What `count` devices of this job's own are named to it, as environment; they are held while the `with` lasts.

    Waits until so many are free; who came first is served first. Nothing is taken where the machine has none, or where
    a scheduler granted just these. ValueError where there are fewer than `count` in all.
    """
    devices, job = pool(os.environ), _job(os.environ)
    if not count or not devices or (job and len(devices) == count):
        yield {}
        return
    if len(devices) < count:
        raise ValueError(f"run.gpus: {count}, but there are {len(devices)}: {', '.join(devices)}; ask for fewer")
    folder = _locks(job)
    with contextlib.ExitStack() as held:
        with locked(folder / "queue"):  # one at a time gathers, so that none waits for another's half
            own = _gathered(devices, count, folder, held)
        yield {VISIBLE: ",".join(own)} | ({} if _named(os.environ) else {ORDER: "PCI_BUS_ID"})


def pool(environment: Mapping[str, str]) -> list[str]:
    """The devices that jobs may be lent, as CUDA_VISIBLE_DEVICES names them."""
    named = _named(environment)
    if named is not None:
        words = [word.strip() for word in named.split(",")]
        return words[: words.index("-1")] if "-1" in words else [word for word in words if word]
    return [] if _job(environment) else _found()


def _named(environment: Mapping[str, str]) -> str | None:
    return environment.get(POOL, environment.get(VISIBLE))


def _job(environment: Mapping[str, str]) -> str:
    """The scheduler's job that this process is in; empty where in none."""
    return next((f"-{environment[name]}" for name in SCHEDULERS if name in environment), "")


def _found() -> list[str]:
    """The numbers of the machine's GPUs, in the order of their places on the bus."""
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()


def _locks(job: str) -> Path:
    """The folder of the locks, this user's alone. ValueError where it is somebody else's."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"clipvip-devices-{user}{job}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != user:
        raise ValueError(f"{folder}: it belongs to another user; remove it, or set TMPDIR to a folder of your own")
    return folder


def _gathered(devices: list[str], count: int, folder: Path, held: contextlib.ExitStack) -> list[str]:
    """The first `count` of the devices that are free or become so, their locks in `held`."""
    own: list[str] = []
    said = False
    while True:
        for device in devices:
            lock = folder / device.replace("/", "-")
            if len(own) < count and device not in own and lock_if_free(lock, held):
                own.append(device)
        if len(own) == count:
            return sorted(own, key=devices.index)
        if not said:
            print(f"waiting for {count - len(own)} of {len(devices)} devices", file=sys.stderr, flush=True)
            said = True
        time.sleep(PAUSE)
