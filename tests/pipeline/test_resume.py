"""A training process killed outright, and the same command again."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pretrain_cells import pretrain_spec, start

from clipvip.pipeline import store, task
from clipvip.pipeline.runner import run_spec
from clipvip.runtime import cell_files, stopping


def wait_for_checkpoint(process: subprocess.Popen[str], work: Path, step: int) -> None:
    """Until there is one of this step or a later one, or the process has ended."""
    while process.poll() is None and not any(int(path.stem.split("-")[1]) >= step for path in work.glob("step-*.pt")):
        time.sleep(0.005)


def kill_at(process: subprocess.Popen[str], work: Path, step: int) -> str:
    """kill -9 as soon as there is a checkpoint of this step or a later one; what the process had said."""
    wait_for_checkpoint(process, work, step)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, said
    return said


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGUSR1])
def test_a_run_asked_to_stop_saves_first_and_no_step_is_done_twice(
    tiny_clip_folder: Path, tmp_path: Path, asked: signal.Signals
) -> None:
    spec = pretrain_spec(tmp_path, tiny_clip_folder, steps=4000)
    process, work = start("run", spec, "--checkpoint-seconds", "0.5"), task.read_spec(spec).work
    wait_for_checkpoint(process, work, 1)
    clock = time.monotonic()
    process.send_signal(asked)
    said = process.communicate()[0]
    assert time.monotonic() - clock < 10, "seconds that a scheduler may give"
    assert process.returncode == stopping.EXIT_CODE, said
    stopped = int(re.findall(r"stopped at step (\d+); the same command goes on from there", said)[0])
    assert work.joinpath(f"step-{stopped:09d}.pt").is_file()
    assert not (tmp_path / "failed").exists(), "no failure"
    again = start("run", spec, "--checkpoint-seconds", "0")
    wait_for_checkpoint(again, work, stopped + 1)
    again.send_signal(signal.SIGTERM)
    assert f"goes on at step {stopped}\n" in again.communicate()[0]


def test_a_run_that_is_not_training_ends_at_once(tiny_clip_folder: Path, tmp_path: Path) -> None:
    def wait() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    with pytest.raises(stopping.Stopped, match="SIGTERM"), stopping.heeded():
        wait()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_run_killed_twice_ends_with_the_bits_of_one_never_killed(tiny_clip_folder: Path, tmp_path: Path) -> None:
    spec = pretrain_spec(tmp_path / "whole", tiny_clip_folder, steps=60, patch_dropping=0.5)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    again = tmp_path / "cut" / "specs" / spec.name
    made = store.folder(tmp_path / "cut", f"pretrain/{spec.stem.split('-')[1]}")
    work = task.read_spec(again).work
    whole = start("run", spec)  # meanwhile
    words = ("run", again, "--checkpoint-seconds", "0")
    for step in (5, 30):
        said = kill_at(start(*words), work, step)
        assert ("goes on at step" in said) == (step == 30)
        assert not made.exists()
    last, alone = start(*words), whole.communicate()[0]
    said = last.communicate()[0]
    assert (last.returncode, whole.returncode) == (0, 0), said + alone
    assert int(re.findall(r"goes on at step (\d+)", said)[0]) >= 30
    one, other = store.folder(tmp_path / "whole", f"pretrain/{made.name}"), made
    assert (one / "model/model.safetensors").read_bytes() == (other / "model/model.safetensors").read_bytes()
    histories = [
        pd.read_csv(folder / "history.csv").drop(columns=cell_files.TIMES, errors="ignore") for folder in (one, other)
    ]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert len(histories[0]) == 61
    assert [path.name for path in made.parent.iterdir()] == [made.name]  # nothing of the killed ones
    assert not work.exists()


@pytest.mark.slow  # 40 s
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_checkpoint_of_some_processes_goes_on_with_other_many(
    tiny_clip_folder: Path, tmp_path: Path, before: int, after: int
) -> None:
    """Without anything drawn on the way the losses are those of one process to rounding; no step is done twice."""
    spec = pretrain_spec(tmp_path / "whole", tiny_clip_folder, steps=12, batch_size=7)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    again = tmp_path / "cut" / "specs" / spec.name
    first, work = start("run", again, "--checkpoint-seconds", "0", processes=before), task.read_spec(again).work
    wait_for_checkpoint(first, work, 3)
    first.send_signal(signal.SIGTERM)
    said = first.communicate()[0]
    assert "; the same command goes on from there" in said
    last = start("run", again, processes=after)
    run_spec(spec)
    said = last.communicate()[0]
    assert last.returncode == 0, said
    assert re.search(r"goes on at step \d+\n", said)
    name = f"pretrain/{spec.stem.split('-')[1]}"
    one, two = (pd.read_csv(store.folder(tmp_path / root, name) / "history.csv") for root in ("whole", "cut"))
    for column in ("step", "loss", "grad_norm", "logit_scale"):
        np.testing.assert_allclose(two[column], one[column], rtol=1e-3, err_msg=column)
