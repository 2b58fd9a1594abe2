"""A training process killed outright, and the same command again."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
from pretrain_cells import pretrain_spec, start

from clipvip.pipeline import runner, store


def kill_at(process: subprocess.Popen[str], work: Path, step: int) -> str:
    """kill -9 as soon as there is a checkpoint of this step or a later one; what the process had said."""
    while process.poll() is None:
        if any(int(path.stem.split("-")[1]) >= step for path in work.glob("step-*.pt")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    said = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, said
    return said


def test_a_run_killed_twice_ends_with_the_bits_of_one_never_killed(tiny_clip_folder: Path, tmp_path: Path) -> None:
    spec = pretrain_spec(tmp_path / "whole", tiny_clip_folder, steps=60, patch_dropping=0.5)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    again = tmp_path / "cut" / "specs" / spec.name
    made = store.folder(tmp_path / "cut", f"pretrain/{spec.stem.split('-')[1]}")
    work = store.work_folder(tmp_path / "cut", f"pretrain/{made.name}", runner.read_spec(again)[3])
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
    histories = [pd.read_csv(folder / "history.csv").drop(columns="clips_per_s") for folder in (one, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert len(histories[0]) == 61
    assert [path.name for path in made.parent.iterdir()] == [made.name]  # nothing of the killed ones
    assert not work.exists()
