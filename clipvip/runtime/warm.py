"""Commands run by a warm process: one that has the libraries loaded forks a child for each of them.

Loading torch and transformers takes five seconds of a processor, more than many cells. A workflow on one machine starts
a server (warm_server.py) and names its socket in the environment; `clipvip <command>` then hands its words, folder,
environment and terminal over and waits for the exit code. The child imports this package afresh, as any other process
does. Where no server listens, or its environment is another one, the command runs in its own process.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipvip.runtime import stopping

ADDRESS = "CLIPVIP_WARM"  # names the socket
ACCEPTED, DECLINED = b"\x01", b"\x00"
LENGTH = struct.Struct("!I")  # of a request in bytes
THREADS = (  # what a workflow engine sets for each job; read when a library is loaded
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# Of the shell, of a folder for what is temporary, ours, and which GPUs a process sees (the driver reads that when it is
# first used): nothing that a library reads when it is loaded.
FREE = {ADDRESS, "_", "SHLVL", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "TEMPDIR"}
FREE |= {stopping.NOTE, "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"}

# What commands load for seconds; nothing of this package, so that each of them reads its code as it is by then.
LIBRARIES = (
    "transformers.models.clip.modeling_clip",
    "transformers.models.clip.tokenization_clip",
    "transformers.models.git.modeling_git",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.processing_auto",
    "pyarrow.parquet",
    "pandas",
    "einops",
    "scipy.stats",
    "sklearn.cluster",
    "av",
    "PIL.Image",
    "pydantic",
    "yaml",
    "tqdm",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "jinja2",
)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The variables that must be the same in the server and in whoever asks it, and are not."""
    return sorted(name for name in {*one, *other} - FREE if one.get(name) != other.get(name))


def ask(words: list[str]) -> int | None:
    """The exit code of a command that the server ran; None where none listens, or it took nothing or declined."""
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(address)
        except OSError:
            return None
        whole = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ), "prefix": sys.prefix}
        body = json.dumps(whole).encode()
        try:
            socket.send_fds(line, [LENGTH.pack(len(body))], [0, 1, 2])
            line.sendall(body)
            answer = line.recv(1)
        except ConnectionError:  # it ended with our request unread
            return None
        if answer != ACCEPTED:
            if answer != DECLINED:
                return None
            others = b"".join(iter(lambda: line.recv(4096), b"")).decode()
            print(f"clipvip: the warm process does not run this, it differs in {others}", file=sys.stderr)
            return None
        with _forwarded(line):
            code = line.recv(1)
    return code[0] if code else 1  # the server is gone, and its children with it


@contextlib.contextmanager
def _forwarded(line: socket.socket) -> Iterator[None]:
    """While the `with` lasts, a request to stop goes to the child: the server takes our end of speaking for one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(number, signal.signal(number, lambda *_: line.shutdown(socket.SHUT_WR))) for number in stopping.SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def receive(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request and the three descriptors of its terminal. EOFError where whoever asks is gone."""
    head, terminal, _, _ = socket.recv_fds(line, LENGTH.size, 3)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,), body = LENGTH.unpack(head), b""
    while len(body) < length:
        if not (part := line.recv(length - len(body))):
            raise EOFError
        body += part
    return json.loads(body), terminal


@contextlib.contextmanager
def listening(threads: int, libraries: Sequence[str] = LIBRARIES) -> Iterator[None]:
    """A server for commands of `threads` threads while the `with` lasts; they find it by the environment.

    On Linux only: elsewhere the libraries are not safe to fork.
    """
    if sys.platform != "linux":
        yield
        return
    with tempfile.TemporaryDirectory(prefix="clipvip-") as folder:
        address = str(Path(folder) / "warm")
        with socket.socket(socket.AF_UNIX) as listen:  # made here: whoever asks before the server is ready waits
            listen.bind(address)
            listen.listen(64)
            own = [sys.executable, "-P", "-m", "clipvip.runtime.warm_server", str(listen.fileno()), *libraries]
            command = ["bash", "-c", 'exec "$@"', "bash", *own]  # by a shell, as the jobs: shells drop variables
            how = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "pass_fds": [listen.fileno()]}
            environment = os.environ | dict.fromkeys(THREADS, str(threads))
            server: subprocess.Popen[bytes] = subprocess.Popen(command, env=environment, **how)  # type: ignore[call-overload]
        with server:  # it ends when its standard input does, and so with this process, however that ends
            os.environ[ADDRESS] = address
            try:
                yield
            finally:
                del os.environ[ADDRESS]
                assert server.stdin is not None
                server.stdin.close()
