"""Jobs launched by the real command line: processes, devices, attempts."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pretrain_cells import pretrain_spec, start

from clipvip.config.resources import Asked
from clipvip.pipeline import launch, store, task, verdicts
from clipvip.pipeline.attempt import attempt, margin
from clipvip.runtime import devices, stopping

WORK = """
import os, signal, sys, time
from pathlib import Path
from clipvip.runtime import stopping
spec = Path(sys.argv[1])
work = spec.parent.parent / "work" / f"{spec.stem.split('-')[1]}-now"
work.mkdir(parents=True, exist_ok=True)
done = len(list(work.iterdir()))
print(f"begins at {done} with {os.environ.get('CUDA_VISIBLE_DEVICES', 'nothing')}", flush=True)
try:
    with stopping.heeded():
        while done < int(sys.argv[2]):
            time.sleep(float(sys.argv[3]))
            (work / f"step-{done}").touch()
            done += 1
except stopping.Stopped:
    stopping.noted()
    sys.exit(int(sys.argv[4]))
"""  # a cell that saves after each step, and whose exit code is not passed on where the last word is 1


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Of a cell that only the command above makes."""
    path = tmp_path / "results" / "specs" / "pretrain-0123456789ab.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return path


def launched(spec: Path, *flags: str, steps: int, seconds: float, code: int = 75) -> subprocess.Popen[str]:
    words = ["launch", *flags, "--", sys.executable, "-c", WORK, spec, str(steps), str(seconds), str(code)]
    return start(*words)


def failure(spec: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((spec.parents[1] / "failed" / spec.name).read_text())
    return found


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


@pytest.mark.parametrize("code", [75, 1])  # 1: torchrun's, whatever its processes say
def test_a_job_longer_than_its_attempts_is_done_in_as_many_as_it_takes(spec: Path, code: int) -> None:
    process = launched(spec, "--attempt-minutes", "0.05", steps=14, seconds=0.5, code=code)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    begins = [int(step) for step in re.findall(r"begins at (\d+)", said)]
    assert len(begins) >= 3
    assert begins == sorted(set(begins)), "each goes on where the one before stood"
    assert re.findall(r"clipvip: attempt (\d+) of 0.05 minutes", said) == [str(i + 1) for i in range(len(begins))]
    assert not (spec.parents[1] / "failed").exists()


def test_a_job_that_saves_nothing_in_an_attempt_ends_with_its_reason(spec: Path) -> None:
    process = launched(spec, "--attempt-minutes", "0.03", steps=1, seconds=30)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1, said
    assert len(re.findall(r"begins at \d", said)) == 1
    assert failure(spec)["reason"].startswith("TIMEOUT: nothing was saved in 0.03 minutes; raise run.attempt_minutes")


def test_a_worker_or_a_job_that_is_warned_goes_on_and_one_told_to_end_does_not(spec: Path) -> None:
    steps = spec.parents[1] / "work" / "0123456789ab-now"
    process = launched(spec, steps=1000, seconds=0.1)
    wait_for(steps / "step-0")
    process.send_signal(signal.SIGUSR1)
    wait_for(steps / "step-20")
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == stopping.EXIT_CODE, said
    assert len(re.findall(r"begins at \d", said)) == 2
    assert verdicts.recorded(spec) == "CANCELLED"
    assert failure(spec)["reason"].startswith("CANCELLED: SIGTERM; ")
    again = launched(spec, steps=21, seconds=0.1)
    assert "begins at" in again.communicate(timeout=60)[0]
    assert again.returncode == 0
    assert verdicts.recorded(spec) is None


def test_a_process_that_does_not_stop_is_killed_at_the_end(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    clock = time.monotonic()
    ended = attempt([sys.executable, "-c", deaf], {}, 2.0, lambda _: None)
    assert time.monotonic() - clock < 20
    assert (ended.code, ended.asked, ended.stopped) == (128 + signal.SIGKILL, "the end of its time", True)


def test_a_tidied_folder_of_temporary_files_fails_no_job() -> None:
    tidied = f"import os; os.rmdir(os.environ['{stopping.NOTE}'])"
    ended = attempt([sys.executable, "-c", tidied], {}, None, lambda _: None)
    assert (ended.code, ended.noted, ended.stopped) == (0, False, False)


def test_a_command_dies_with_what_launched_it(spec: Path) -> None:
    steps = spec.parents[1] / "work" / "0123456789ab-now"
    process = launched(spec, steps=1000, seconds=0.1)
    wait_for(steps / "step-0")
    process.kill()
    process.communicate(timeout=30)  # its output is closed by the last that holds it
    before = len(list(steps.iterdir()))
    time.sleep(0.5)
    assert len(list(steps.iterdir())) == before


def test_exit_codes_pass_through_and_no_command_is_refused(tmp_path: Path) -> None:
    for code in (0, 3):
        done = start("launch", "--", sys.executable, "-c", f"raise SystemExit({code})")
        done.communicate()
        assert done.returncode == code
    for word in ("nosuchprogram", "", "docs"):
        refused = start("launch", "--", word)
        said = refused.communicate()[0].strip()
        assert (refused.returncode, said.splitlines()) == (2, [said])
        assert said.startswith(f"clipvip: launch: {word!r} is no program here; give one after --")
    none = start("launch", "--gpus", "1")
    assert "launch: no command; give it after --" in none.communicate()[0]
    assert none.returncode == 2


def test_an_attempt_saves_a_tenth_of_its_time_before_its_end_and_at_most_five_minutes() -> None:
    assert margin(600.0) == 60
    assert margin(24 * 3600.0) == 300


def test_what_a_rule_asks_for_is_what_is_launched() -> None:
    one = Asked(threads=8, gpus=1, memory_mb=1, minutes=100)
    several = Asked(threads=8, gpus=8, memory_mb=1, minutes=10080, attempt_minutes=1440)
    assert launch.launched(["run", "a"], one, shared=True) == ["launch", "--gpus", "1", "--", "clipvip", "run", "a"]
    numbered = ["run", "a", "--device", "cuda:1"]
    assert launch.launched(numbered, one, shared=True) == ["launch", "--", "clipvip", *numbered]
    words = launch.launched(["run", "a"], several, shared=True, requeue=True)
    assert " ".join(words) == (
        "launch --gpus 8 --attempt-minutes 1440 --requeue -- "
        "torchrun --standalone --nproc-per-node 8 --shutdown-timeout 240 -m clipvip run a"
    )
    assert launch.launched(["run", "a"], several, shared=False)[-4:] == ["--", "clipvip", "run", "a"]


def test_two_processes_are_launched_on_devices_of_their_own_and_go_on_after_a_warning(
    tiny_clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv(devices.POOL, "fake-0,fake-1,fake-2")
    spec = pretrain_spec(tmp_path / "results", tiny_clip_folder, steps=12)
    asked = Asked(threads=2, gpus=2, memory_mb=1, minutes=100)
    words = launch.launched(["run", str(spec), "--checkpoint-seconds", "0"], asked, shared=True)
    process, work = start(*words), task.read_spec(spec).work
    while process.poll() is None and not list(work.glob("step-*.pt")):
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)  # a warning: the processes save, and the next attempt goes on
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert said.count("CUDA_VISIBLE_DEVICES=fake-0,fake-1: torchrun --standalone --nproc-per-node 2") == 2
    stopped, goes_on = (re.findall(rf"{word} at step (\d+)", said) for word in ("stopped", "goes on"))
    assert set(stopped) == set(goes_on) != set()
    made = store.folder(tmp_path / "results", f"pretrain/{spec.stem.split('-')[1]}")
    assert json.loads((made / "receipt.json").read_text())["machine"]["processes"] == 2
    history = pd.read_csv(made / "history.csv")
    assert np.isfinite(history["loss"][1:]).all()
    assert list(history["step"]) == list(range(13)), "no step is done twice"
    assert not work.exists()
