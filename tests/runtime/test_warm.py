"""Commands run by a warm process do what they do alone: exit code, output, folder, environment, signals."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipvip.runtime import stopping, warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no server is started")

PHASE = "PYTEST_CURRENT_TEST"  # differs between what starts the server and what asks it

# Stands for the package where a test needs a command of its own; `clipvip.runtime.warm` stays ours.
COMMAND = """
import os, signal, sys, time
word = sys.argv[1]
if word == "say":
    print(os.getcwd(), os.environ["SAID"], os.getppid(), "json" in sys.modules)
    print("error", file=sys.stderr)
    sys.exit(7)
if word == "fail":
    raise RuntimeError("no such luck")
if word == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if word == "heed":
    from clipvip.runtime import stopping
    try:
        with stopping.heeded():
            open(sys.argv[2], "w").write(str(os.getpid()))
            time.sleep(60)
    except stopping.Stopped:
        sys.exit(stopping.EXIT_CODE)
if word == "wait":
    open(sys.argv[2], "w").write(str(os.getpid()))
    time.sleep(60)
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server of one library whose `clipvip` is COMMAND, in a folder of its own."""
    package = tmp_path / "code" / "clipvip"
    (package / "runtime").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "runtime" / "__init__.py").touch()
    for name in ("warm", "warm_server", "stopping"):
        text = Path(warm.__file__).with_name(f"{name}.py").read_text()
        (package / "runtime" / f"{name}.py").write_text(text)
    (package / "__main__.py").write_text(COMMAND)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    monkeypatch.setenv("SAID", "as given")
    monkeypatch.delenv("PS1", raising=False)
    for name in warm.THREADS:
        monkeypatch.setenv(name, "1")
    phase = os.environ.pop(PHASE)
    with warm.listening(1, ("json",)):
        os.environ[PHASE] = phase
        yield tmp_path


def ask(*words: str, folder: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """A new process that asks the server; -1 where it is declined."""
    code = f"import sys; sys.path[:0] = [{str(Path(warm.__file__).parents[2])!r}]; from clipvip.runtime import warm\n"
    code += "found = warm.ask(sys.argv[1:]); sys.exit(99 if found is None else found)"
    command = ["bash", "-c", 'exec "$@"', "bash", sys.executable, "-c", code, *words]
    environment = {name: value for name, value in os.environ.items() if name != PHASE} | changed
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_command_has_its_own_folder_environment_output_and_exit_code(server: Path) -> None:
    there = server / "there"
    there.mkdir()
    found = ask("say", folder=there)
    assert found.returncode == 7, found.stderr
    folder, said, told, parent, loaded = found.stdout.rsplit(maxsplit=4)
    assert (folder, f"{said} {told}", loaded) == (str(there), "as given", "True")
    assert int(parent) != os.getpid()
    assert found.stderr == "error\n"


def test_a_command_that_fails_says_why(server: Path) -> None:
    found = ask("fail", folder=server)
    assert found.returncode == 1
    assert found.stderr.endswith("RuntimeError: no such luck\n")


def test_a_killed_command_is_a_failure_and_the_next_one_runs(server: Path) -> None:
    assert ask("killed", folder=server).returncode == 128 + signal.SIGKILL
    assert ask("say", folder=server).returncode == 7


def test_another_environment_is_declined_by_name(server: Path) -> None:
    found = ask("say", folder=server, OMP_NUM_THREADS="2")
    assert found.returncode == 99
    assert "it differs in OMP_NUM_THREADS" in found.stderr
    assert ask("say", folder=server, TMPDIR=str(server)).returncode == 7


def test_nobody_listens(tmp_path: Path) -> None:
    assert ask("say", folder=tmp_path, **{warm.ADDRESS: str(tmp_path / "gone")}).returncode == 99


@pytest.mark.parametrize("reads", [0, 1 << 20], ids=["unread", "read"])
def test_a_server_that_ends_before_it_answers_has_run_nothing(tmp_path: Path, reads: int) -> None:
    with socket.socket(socket.AF_UNIX) as listen:
        listen.bind(str(tmp_path / "warm"))
        listen.listen()

        def end() -> None:
            with listen.accept()[0] as line:
                time.sleep(0.2)  # all has been sent
                line.recv(reads)

        server = threading.Thread(target=end)
        server.start()
        found = ask("say", folder=tmp_path, **{warm.ADDRESS: str(tmp_path / "warm")})
        server.join()
    assert (found.returncode, found.stderr) == (99, "")


def gone(pid: int) -> bool:
    """Whether the process ends within a few seconds; one that waits to be buried is gone."""
    for _ in range(100):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def begun(path: Path) -> int:
    """The process id that a waiting command writes."""
    for _ in range(100):
        if path.exists() and (text := path.read_text()):
            return int(text)
        time.sleep(0.1)
    raise AssertionError(f"{path} was not written")


def waiting(folder: Path, word: str = "wait") -> tuple["subprocess.Popen[bytes]", int]:
    """Whoever asked for a command that waits, and the command's process."""
    code = f"import sys; sys.path[:0] = [{str(Path(warm.__file__).parents[2])!r}]; from clipvip.runtime import warm\n"
    code += f"sys.exit(warm.ask([{word!r}, {str(folder / 'pid')!r}]))"
    environment = {name: value for name, value in os.environ.items() if name != PHASE}
    asker = subprocess.Popen(
        ["bash", "-c", 'exec "$@"', "bash", sys.executable, "-c", code], cwd=folder, env=environment
    )
    return asker, begun(folder / "pid")


def test_a_command_ends_with_whoever_asked(server: Path) -> None:
    asker, command = waiting(server)
    asker.kill()
    asker.wait()
    assert gone(command)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_request_to_stop_reaches_the_command_and_its_exit_code_comes_back(
    server: Path, number: signal.Signals
) -> None:
    asker, command = waiting(server, "heed")
    for _ in range(100):
        if catches(asker.pid, number):
            break
        time.sleep(0.1)
    asker.send_signal(number)
    assert asker.wait(60) == stopping.EXIT_CODE
    assert gone(command)


def test_all_commands_end_with_the_server(tmp_path: Path, server: Path) -> None:
    asker, command = waiting(server)
    status = Path(f"/proc/{command}/status").read_text()
    parent = int(status.split("PPid:")[1].split()[0])
    os.kill(parent, signal.SIGKILL)
    asker.wait()
    assert gone(command)
