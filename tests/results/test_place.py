"""An MLflow store that is not there, silent, or named wrongly: one line, at once."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow.tracking import MlflowClient

from clipvip.__main__ import main
from clipvip.results.tracking import place
from clipvip.results.tracking.store import Store, alone, create


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def said(uri: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `clipvip track` says of a store; it must be one line."""
    assert main(["track", "--uri", uri]) != 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def test_a_server_that_is_away_is_one_line_at_once(nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert f"{nobody}: the MLflow server does not answer" in said(nobody, capsys)
    assert time.monotonic() - began < 30


def test_a_server_that_says_nothing_is_given_up(
    silent: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "PATIENCE", 0.5)
    began = time.monotonic()
    assert "does not answer (no answer within" in said(silent, capsys)
    assert time.monotonic() - began < 30


def test_a_name_that_is_none_and_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not answer" in said("http://no-such-host.invalid:5000", capsys)
    assert "does not answer" in said("http://127.0.0.1:notaport", capsys)


def test_a_server_that_refuses_is_there() -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, format: str, *values: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.handle_request, daemon=True).start()
    place.answers(f"http://127.0.0.1:{server.server_port}")
    server.server_close()


def test_no_file_is_made_where_no_store_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away, missing = tmp_path / "no" / "mlflow.db", tmp_path / "mlflow.db"
    assert "give --artifacts" in said(f"sqlite:///{missing}", capsys)
    assert not missing.exists()
    words = ["track", "--uri", f"sqlite:///{away}", "--artifacts", str(tmp_path / "files")]
    assert main(words) != 0
    assert "its folder is not there" in capsys.readouterr().err
    assert not away.parent.exists()
    with pytest.raises(ValueError, match="no MLflow store"), place.alone(f"sqlite:///{missing}"):
        pass
    assert not missing.exists()


def test_a_store_is_made_from_a_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / 'it\'s a "clone" of $(touch hit) & {more}'
    (here / "results").mkdir(parents=True)
    monkeypatch.chdir(here)
    uri, artifacts = f"sqlite:///{here}/results/mlflow.db", here / "results" / "mlartifacts"
    create(uri, artifacts)
    create(uri, artifacts)
    with alone(uri):
        run, _ = Store(uri, "mini").write_plain("one", "one", [], {"stage": "study"})
    (experiment,) = [each for each in MlflowClient(uri).search_experiments() if each.name == "mini"]
    assert unquote(experiment.artifact_location).startswith(f"file://{artifacts}")
    assert MlflowClient(uri).get_run(run).data.tags["stage"] == "study"
    assert str(here) in unquote(str(MlflowClient(uri).get_experiment("0").artifact_location))
