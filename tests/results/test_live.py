"""Training shown at a real MLflow server that is stopped while it goes on, and brought up to date afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from results_tree import Tree, data_scale, main

from clipvip.results.finished import read_plan
from clipvip.results.tracking import live, mirror

METRIC = "val/t2v/R_at_5"


class Server:
    """`mlflow server` on a port of its own, started and stopped at will."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = [
            "--backend-store-uri",
            f"sqlite:///{self.folder}/mlflow.db",
            "--artifacts-destination",
            f"{self.folder}/a",
        ]
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(self.port), *store]
        quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, env=quiet, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, 60)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


def wait_until(true: Callable[[], Any], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


def trainings_of(folder: Path) -> dict[str, Any]:
    """A study's plan with its post-pretrainings alone."""
    plan = read_plan(folder)
    rows = [{**row, "cells": {k: v for k, v in row["cells"].items() if k == "pretrain"}} for row in plan["rows"]]
    return {**plan, "rows": rows}


def test_a_server_that_stops_neither_stops_training_nor_loses_anything(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY", 0.2)
    tree = Tree(tmp_path)
    folder = main(tree)
    plan = trainings_of(folder)
    key = next(row["cells"]["pretrain"] for row in plan["rows"] if "pretrain" in row["cells"])
    cell = tree.results / "cells/pretrain" / key
    history, spec = pd.read_csv(cell / "history.csv"), tree.results / "specs" / f"pretrain-{key}.json"
    spec.parent.mkdir()
    spec.write_text((cell / "config.json").read_text())
    client = MlflowClient(server.uri)

    def runs(status: str) -> list[Any]:
        found = client.get_experiment_by_name("mini")
        asked = f"tags.key = '{key}' AND attributes.status = '{status}'"
        return list(client.search_runs([found.experiment_id], asked)) if found else []

    def seen() -> int:
        return len(client.get_metric_history(runs("RUNNING")[0].info.run_id, METRIC)) if runs("RUNNING") else 0

    waited = 0.0
    with live.shown(spec, server.uri, "mini") as log:
        assert log is not None
        for at, row in enumerate(history.to_dict("records")):
            if at == 15:
                wait_until(lambda: seen() == 1, 60)  # the first half is there while training goes on
                (half,) = runs("RUNNING")
                server.stop()
            began = time.perf_counter()
            log(
                int(row["step"]), {"loss": row["loss"], **({"val/t2v/R@5": row["val/t2v/R@5"]} if at % 10 == 9 else {})}
            )
            waited += time.perf_counter() - began
        began = time.perf_counter()
    assert waited < 1, "a step waited for the server"
    assert time.perf_counter() - began < 3 * live.PATIENCE

    with pytest.raises(ValueError, match="nothing is lost: when the store is there, `clipvip track`"):
        mirror.mirror(plan, server.uri, folder)
    server.start()
    first = mirror.mirror(plan, server.uri, folder)
    assert first["made"] > 0
    (whole,) = runs("FINISHED")
    assert runs("RUNNING") == [], "the run that was cut short is gone"
    assert half.info.run_name == whole.info.run_name
    told = {name: tag for name, tag in half.data.tags.items() if not name.startswith("mlflow.")}
    assert told.pop("live") == "yes"
    assert told.items() <= whole.data.tags.items(), "the same tags as when it is done"
    assert {"rows.main", "study.main", "seed"} <= told.keys()
    kept = history[history["val/t2v/R@5"].notna()]
    assert [(m.step, m.value) for m in client.get_metric_history(whole.info.run_id, METRIC)] == list(
        zip(kept["step"], kept["val/t2v/R@5"], strict=True)
    )
    assert whole.info.artifact_uri.startswith("mlflow-artifacts:/")
    again = mirror.mirror(plan, server.uri, folder)
    assert (again["made"], again["tagged"]) == (0, first["made"] + first["tagged"])


def test_studies_mirrored_side_by_side_give_one_run_a_cell(server: Server, tmp_path: Path) -> None:
    """And doubles that another program left are removed."""
    tree = Tree(tmp_path)
    plans = [folder / "plan.json" for folder in (data_scale(tree), main(tree))]
    shutil.rmtree(tree.results / "cells/finetune")  # their models are another test's
    command = [sys.executable, "-m", "clipvip", "track", "--uri", server.uri]
    both = [subprocess.Popen([*command, str(plan)], stderr=subprocess.PIPE) for plan in plans]
    said = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("mini").experiment_id

    def keys() -> list[str]:
        return sorted(run.data.tags["key"] for run in client.search_runs([experiment], max_results=5000))

    once = keys()
    assert len(once) == len(set(once)) > 20
    shared = client.search_runs([experiment], f"tags.key = '{tree.clip().name}'")[0]
    double = client.create_run(experiment, tags={"key": tree.clip().name, "made": shared.data.tags["made"]})
    client.set_terminated(double.info.run_id, "FINISHED")
    assert len(keys()) == len(once) + 1
    assert mirror.mirror(read_plan(plans[0].parent), server.uri, plans[0].parent)["made"] <= 1
    assert keys() == once


class Sink:
    """Keeps what it is sent; fails while it is told to."""

    def __init__(self) -> None:
        self.rows: list[live.Row] = []
        self.away = False
        self.ended: bool | None = None

    def send(self, rows: list[live.Row]) -> None:
        if self.away:
            raise ConnectionError("away")
        self.rows += rows

    def end(self, *, failed: bool) -> None:
        self.ended = failed


def test_what_waited_is_sent_in_order_when_the_tracker_is_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "EVERY", 0.01)
    monkeypatch.setattr(live, "PAUSE", 0.02)
    sink = Sink()
    shown = live.Live(lambda: sink, "cell")
    shown.log(1, {"loss": 3.0})
    wait_until(lambda: sink.rows, 5)
    sink.away = True
    for step in (2, 3):
        shown.log(step, {"loss": 1.0})
        time.sleep(0.05)
    sink.away = False
    shown.log(4, {"loss": 0.5})
    assert shown.close()
    assert [(step, values["loss"]) for step, _, values in sink.rows] == [(1, 3.0), (2, 1.0), (3, 1.0), (4, 0.5)]
    assert sink.ended is False
    assert capsys.readouterr().err.count("cell: away") == 1


def test_what_was_not_sent_is_told_and_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY", 0.01)
    sink = Sink()
    sink.away = True
    shown = live.Live(lambda: sink, "cell")
    shown.log(1, {"loss": 3.0})
    assert not shown.close()
    assert live.Live(lambda: sink, "cell").close(), "nothing logged, nothing lost"
    sink.away = False
    failing = live.Live(lambda: sink, "cell")
    failing.log(1, {"loss": 3.0})
    assert failing.close(failed=True)
    assert sink.ended is True
