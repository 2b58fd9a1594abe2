"""MLflow's own page on the store of a results folder, opened on the comparison of its studies."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from clipvip.results.tracking import links, moved
from clipvip.runtime.stores import MLFLOW

HOST = "127.0.0.1"
FIRST = "main"  # the study that is opened first, where there is one
PATIENCE = 180.0  # seconds that the server may take to start


def serve(results: Path, port: int, *, browser: bool = True) -> int:
    """Serve the store until interrupted; prints a link for each study, and opens the first where there is a screen.

    ValueError: no store, or the port is taken.
    """
    store = results / MLFLOW
    if not store.is_file():
        raise ValueError(
            f"{store}: no MLflow store; the workflow makes it with the first study (`make ablate`), or give another "
            "results folder (`make ui RESULTS=...`)"
        )
    if not 0 < port < 65536:
        raise ValueError(f"--port {port}: give a number from 1 to 65535")
    with socket.socket() as taken:
        if taken.connect_ex((HOST, port)) == 0:
            raise ValueError(f"port {port} of {HOST} is taken; give another one (`make ui PORT={port + 1}`)")
    moved.settle(store)
    server = subprocess.Popen(command(store, port), env=os.environ | SETTINGS)
    try:
        if not _started(server, port):
            raise ValueError(f"the MLflow server did not start within {PATIENCE:.0f} seconds; its own lines say why")
        found = studies(results, f"http://{HOST}:{port}")
        print(listing(found, f"http://{HOST}:{port}"), flush=True)
        if browser and _has_screen():
            webbrowser.open(found[0][1] if found else f"http://{HOST}:{port}")
        return server.wait()
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)


SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def command(store: Path, port: int) -> list[str]:
    """What serves the store, to this machine only."""
    at, files = f"sqlite:///{store.resolve()}", store.resolve().parent / moved.ARTIFACTS
    words = ["server", "--workers", "1", "--host", HOST, "--port", str(port), "--uvicorn-opts", "--log-level warning"]
    return [sys.executable, "-m", "mlflow", *words, "--backend-store-uri", at, "--default-artifact-root", str(files)]


def studies(results: Path, here: str) -> list[tuple[str, str]]:
    """A (label, URL) pair for each tracked study of a results folder, that of the paper's main table first."""
    folders = sorted(
        results.glob("*/studies/*"), key=lambda path: (path.parents[1].name, path.name != FIRST, path.name)
    )
    found = [(folder, links.links(folder, here)) for folder in folders if folder.is_dir()]
    return [(f"{folder.parents[1].name} · {each[0][0]}", each[0][1]) for folder, each in found if each]


def listing(found: Sequence[tuple[str, str]], here: str) -> str:
    """The links as lines for a terminal."""
    if not found:
        return f"\n{here}: no study is tracked yet (`clipvip track results/<experiment> --uri ...`)\n"
    lines = [f"  {label}\n    {url}" for label, url in found]
    return "\nCompare the rows of a study (its claims: unfold the description there):\n\n" + "\n".join(lines) + "\n"


def _started(server: "subprocess.Popen[bytes]", port: int) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5),
        ):
            return server.poll() is None
        time.sleep(0.3)
    return False


def _has_screen() -> bool:
    """Whether a browser would show: without a screen Python may start one of text in this terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
