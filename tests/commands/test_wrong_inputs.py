"""Every command with every kind of wrong input: one line that names it, exit code 2, no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wrong_input_page import table
from wrong_inputs import ROOT, Answer, Case, all_answers, cases, commands, faults, world

from clipvip.__main__ import main

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Case, Answer]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return all_answers(tmp_path_factory.mktemp("wrong"))


def test_each_is_one_line_that_names_it(answers: list[tuple[Case, Answer]]) -> None:
    found = [said for case, answer in answers if (said := faults(case, answer))]
    assert not found, "\n".join(found)
    print(f"\n{table(answers)}")


def test_no_command_and_no_argument_is_left_out(answers: list[tuple[Case, Answer]]) -> None:
    free = {"help", "do", "parser", "text", "why", "live_experiment"}  # any words will do
    free |= {"command"}  # of `launch`: tests/pipeline/test_launch.py
    tried = {(case.command, case.dest) for case, _ in answers}
    for name, one in commands().items():
        valued = {each.dest for each in one._actions if each.nargs != 0} - free
        assert {dest for dest in valued if (name, dest) not in tried} == set(), name
    assert len(answers) > 500


def test_an_answer_that_names_nothing_or_is_no_error_is_found() -> None:
    case = Case("show", "study", "missing", ("show", "vidoes"), "vidoes")
    assert faults(case, Answer(2, "clipvip: vidoes: no such folder\n")) == ""
    for wrong in (Answer(0, ""), Answer(2, "clipvip: not found\n"), Answer(1, "vidoes"), Answer(2, "vidoes\n" * 9)):
        assert faults(case, wrong) != ""


def test_the_page_is_of_the_commands_there_are() -> None:
    of_commands = (ROOT / "docs/errors.md").read_text().split("| command |")[1].splitlines()[2:]
    shown = {tuple(word.strip() for word in line.strip("|").split("|")) for line in of_commands}
    found: dict[str, list[str]] = {}
    for case in cases():
        found.setdefault(case.command or "clipvip", []).append(case.dest)
    asked = {(name, ", ".join(filter(None, dict.fromkeys(own))), str(len(own))) for name, own in found.items()}
    assert shown == asked


def _clipvip(*words: str, here: Path) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "clipvip", *words]
    return subprocess.run(command, cwd=here, env=known, capture_output=True, text=True, check=False, timeout=120)


def test_as_a_process_it_is_the_same(tmp_path: Path) -> None:
    done = _clipvip("cells", "nowhere.yaml", here=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("clipvip: nowhere.yaml: no such file")


def test_ctrl_c_is_one_line(tmp_path: Path) -> None:
    """While a command is at work, and while it still loads."""
    for wait in (0.0, 3.0):
        words = [
            sys.executable,
            "-c",
            "import signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler); ",
        ]  # a shell may have it ignored
        words[-1] += "print('up', flush=True); sys.argv = ['clipvip', 'cells', 'x']; "
        words[-1] += "from clipvip import __main__ as m; import clipvip.commands.kinds as k; "
        words[-1] += "k.Place.check = lambda *_: time.sleep(60); raise SystemExit(m.main())"
        known = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(words, cwd=tmp_path, env=known, text=True, **pipes) as running:
            assert running.stdout is not None
            running.stdout.readline()
            time.sleep(1.0 + wait)
            running.send_signal(signal.SIGINT)
            _, error = running.communicate(timeout=60)
        assert running.returncode == 130, error
        assert error.splitlines() == ["clipvip: interrupted; the same command goes on where it stood"]


def test_cuda_where_there_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    spec = tmp_path / "spec"
    spec.write_text("{}")
    assert main(["run", str(spec), "--device", "cuda"]) == 2
    assert capsys.readouterr().err == "clipvip: --device cuda: torch finds 0 such devices here; give --device cpu\n"


@pytest.mark.slow
def test_whole_commands(answers: list[tuple[Case, Answer]], tmp_path: Path) -> None:
    """As processes, one of each kind of each argument of a folder of right inputs; long: a process each."""
    world(tmp_path)
    seen: set[tuple[str, str]] = set()
    for case, _ in answers:
        if (case.command, case.dest) not in seen:
            seen.add((case.command, case.dest))
            done = _clipvip(*case.words, here=tmp_path)
            assert faults(case, Answer(done.returncode, done.stderr)) == "", case
