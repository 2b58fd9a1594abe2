"""Where an MLflow store is: whether it answers, made once, and written by one process at a time."""

import contextlib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from clipvip.results.tracking import environment  # noqa: F401

# isort: split
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from clipvip.results.tracking import moved
from clipvip.runtime.files import locked

SQLITE = "sqlite:///"
PATIENCE = 5.0  # seconds that a server may take for its first answer
AGAIN = "nothing is lost: when the store is there, `clipvip track` brings it up to date"


def is_file(uri: str) -> bool:
    """Whether a tracking URI names a SQLite file."""
    return uri.startswith("sqlite:")


def create(uri: str, artifacts: Path | None) -> None:
    """Make the store once, before anybody writes to it; runs will keep their files under `artifacts`.

    Four processes on a fresh SQLite store crash while it migrates, so the workflow does this first.
    """
    if is_file(uri):
        if artifacts is None:
            raise ValueError(f"{uri}: say where a new store keeps the files of runs (--artifacts FOLDER)")
        artifacts.mkdir(parents=True, exist_ok=True)
    with alone(uri, new=True):
        if artifacts is None or not is_file(uri):
            MlflowClient(uri).get_experiment("0")  # a server has its own place for files; is it there?
        else:
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            # by MLflow's own class, with a URI for files: without one it takes the working folder's path, and writes
            # that into a statement of SQL as it is, quotes included
            SqlAlchemyStore(uri, (artifacts.resolve() / "0").as_uri())
            MlflowClient(uri).set_experiment_tag("0", "artifacts", str(artifacts.resolve()))


@contextlib.contextmanager
def alone(uri: str, results: Path | None = None, *, new: bool = False) -> Iterator[None]:
    """One process at a time writes to a SQLite store, or mirrors `results`: it looks for runs before it makes them.

    A server orders single writes itself. Raises ValueError where the store cannot be reached, or is not there and not
    asked to be `new`.
    """
    answers(uri)
    if is_file(uri) and not new and not Path(uri.removeprefix(SQLITE)).is_file():
        raise ValueError(f"{uri}: no MLflow store; `clipvip track --uri {uri} --artifacts FOLDER` makes one")
    with contextlib.ExitStack() as stack:
        lock = Path(f"{uri.removeprefix(SQLITE)}.lock") if uri.startswith(SQLITE) else None
        lock = results / "mlflow.lock" if lock is None and results is not None else lock
        if lock is not None:
            stack.enter_context(locked(lock))
        try:
            if uri.startswith(SQLITE):
                moved.settle(Path(uri.removeprefix(SQLITE)))
            yield
        except MlflowException as error:
            why = str(error).splitlines()[0][:300]
            raise ValueError(f"{uri}: {why}; {AGAIN}") from None


def answers(uri: str) -> None:
    """ValueError where a server does not answer within PATIENCE, or the folder of a SQLite file is not there."""
    if uri.startswith(("http://", "https://")):
        try:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE):
                return
        except urllib.error.HTTPError:
            return  # it is there, and says no more to whom it does not know
        except (OSError, HTTPException, ValueError) as error:
            why = getattr(error, "reason", None) or error
            why = f"no answer within {PATIENCE:.0f} seconds" if isinstance(why, socket.timeout) else why
            raise ValueError(f"{uri}: the MLflow server does not answer ({why}); {AGAIN}") from None
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).parent.is_dir():
        raise ValueError(
            f"{uri}: the folder of this store is not there; name one that is (sqlite:///results/mlflow.db)"
        )
