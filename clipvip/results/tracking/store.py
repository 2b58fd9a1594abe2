"""An MLflow store and the runs of one experiment in it, found again by their key."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from clipvip.results import study_files
from clipvip.runtime import cell_files
from clipvip.runtime.files import locked

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one line a model

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from clipvip.results.finished import Finished
from clipvip.results.tracking import moved
from clipvip.results.tracking.run_record import Data, data, final_metrics, params, step_metrics, system_metrics, title

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

STUDY_FILES = (
    study_files.FIGURE,
    study_files.FIGURE_PNG,
    study_files.GAZE,
    study_files.GAZE_PNG,
    study_files.TABLE,
    study_files.SUMMARY,
    study_files.TESTS,
    study_files.VERDICTS,
)
MODEL = "model"  # artifact folder of a logged model, and the tag that says where it is
DONE, MADE = "FINISHED", "made"  # status, and the tag by which a run is known to be of the cell as it is


def create(uri: str, artifacts: Path) -> None:
    """Make the store once, before anybody writes to it; runs will keep their files under `artifacts`.

    Four processes on a fresh SQLite store crash while it migrates, so the workflow does this first.
    """
    with alone(uri):
        if not _is_file(uri):
            MlflowClient(uri).get_experiment("0")  # a server has its own place for files; is it there?
            return
        artifacts.mkdir(parents=True, exist_ok=True)
        MlflowClient(uri).set_experiment_tag("0", "artifacts", str(artifacts.resolve()))


def _is_file(uri: str) -> bool:
    return uri.startswith("sqlite:")


class Store:
    """The runs of one experiment, by their key."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.client = MlflowClient(uri)
        self.experiment = self._experiment(uri, experiment)
        self.runs: dict[str, Any] = {}
        self.begun: dict[str, list[Any]] = {}  # runs without an end (shown live, or cut short), and doubles
        token = None
        while token != "":
            page = self.client.search_runs([self.experiment], max_results=1000, page_token=token)
            for run in (run for run in page if "key" in run.data.tags):
                whole = MADE in run.data.tags and run.info.status == DONE
                if whole and run.data.tags["key"] not in self.runs:
                    self.runs[run.data.tags["key"]] = run
                else:
                    self.begun.setdefault(run.data.tags["key"], []).append(run)
            token = page.token or ""

    def _experiment(self, uri: str, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        artifacts = self.client.get_experiment("0").tags.get("artifacts") if _is_file(uri) else None
        if artifacts is None and _is_file(uri):
            raise ValueError(f"{uri}: this store was not made by `create`; make it first")
        place = None if artifacts is None else (Path(artifacts) / name).as_uri()
        try:
            return str(self.client.create_experiment(name, artifact_location=place))
        except MlflowException as error:
            found = self.client.get_experiment_by_name(name)  # made by another process meanwhile?
            if found is None:
                raise error
            return str(found.experiment_id)

    def write(self, cell: Finished, tags: dict[str, str], reached: dict[str, Finished]) -> bool:
        """The run of a cell: tagged if it is there and unchanged, else made (again); whether it was made."""
        found = self.runs.get(cell.key)
        self.forget(cell.key)
        if found is not None and found.data.tags[MADE] == tags[MADE]:
            new = [RunTag(k, v) for k, v in tags.items() if found.data.tags.get(k) != v]
            if new:
                self.client.log_batch(found.info.run_id, tags=new)
            return False
        if found is not None:
            self.client.delete_run(found.info.run_id)
        start = int(datetime.fromisoformat(cell.receipt["started"]).timestamp() * 1000)
        end = start + int(cell.receipt["seconds"] * 1000)
        settings = params(cell, reached)
        name = title(cell.stage, settings, tags)
        run = self.client.create_run(self.experiment, start_time=start, tags=tags, run_name=name)
        metrics = [Metric(name, value, end, 0) for name, value in final_metrics(cell, tags).items()]
        for step, share, values in step_metrics(cell):
            metrics += [Metric(name, value, start + int(share * (end - start)), step) for name, value in values.items()]
        for step, (second, values) in enumerate(system_metrics(cell)):
            metrics += [Metric(name, value, start + int(1000 * second), step) for name, value in values.items()]
        listed = [Param(name, value) for name, value in settings.items()]
        for at in range(0, len(listed), 100):
            self.client.log_batch(run.info.run_id, params=listed[at : at + 100])
        for at in range(0, len(metrics), 1000):
            self.client.log_batch(run.info.run_id, metrics=metrics[at : at + 1000])
        if (cell.folder / cell_files.METRICS).is_file():
            self.client.log_artifact(run.info.run_id, str(cell.folder / cell_files.METRICS))
        self.client.log_inputs(run.info.run_id, [_dataset(each) for each in data(cell, reached)])
        self.client.set_terminated(run.info.run_id, DONE, end_time=end)
        self.runs[cell.key] = run
        return True

    def write_model(self, cell: Finished) -> bool:
        """Log the model of a fine-tuning with its run, once, as an MLflow model; whether it was not there yet."""
        run = self.client.get_run(self.runs[cell.key].info.run_id)
        if MODEL in run.data.tags:
            return False
        frames = cell.settings.get("frames") or {}
        settings = {name: cell.settings[name] for name in ("num_frames", "max_tokens")}
        with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # mlflow's own, about type hints
            from clipvip.results.tracking import pyfunc_model

            saved = Path(place) / MODEL
            settings |= {"resize": frames.get("resize", "squash"), "antialias": frames.get("antialias", True)}
            pyfunc_model.save(cell.folder / "model", settings, saved)
            self.client.log_artifacts(run.info.run_id, str(saved), MODEL)
        self.client.set_tag(run.info.run_id, MODEL, f"runs:/{run.info.run_id}/{MODEL}")
        return True

    def begin(self, cell: Finished, tags: dict[str, str], reached: dict[str, Finished]) -> str:
        """A run of a cell that is being made, until `write` takes its place; its id."""
        self.forget(cell.key)
        settings = params(cell, reached)
        name = title(cell.stage, settings, tags)
        run = self.client.create_run(self.experiment, tags={"key": cell.key, **tags}, run_name=name)
        listed = [Param(name, value) for name, value in settings.items()]
        for at in range(0, len(listed), 100):
            self.client.log_batch(run.info.run_id, params=listed[at : at + 100])
        self.client.log_inputs(run.info.run_id, [_dataset(each) for each in data(cell, reached)])
        return str(run.info.run_id)

    def forget(self, key: str) -> None:
        """Remove runs of a key that have no end, and doubles of the one that has."""
        for run in self.begun.pop(key, []):
            self.client.delete_run(run.info.run_id)

    def leave(self, study: str, kept: set[str]) -> None:
        """Take the study's tags off runs that it uses no more."""
        for key, run in self.runs.items():
            for tag in (f"study.{study}", f"rows.{study}"):
                if key not in kept and tag in run.data.tags:
                    self.client.delete_tag(run.info.run_id, tag)

    def write_plain(
        self,
        key: str,
        name: str,
        files: list[Path],
        tags: dict[str, str],
        params: dict[str, str] | None = None,
        metrics: dict[int, dict[str, float]] | None = None,
    ) -> tuple[str, bool]:
        """A run that is no cell, made again where anything of it changed: its id, and whether it was made."""
        content = json.dumps([name, tags, params, metrics]).encode() + b"".join(path.read_bytes() for path in files)
        made = hashlib.sha256(content).hexdigest()[:12]
        found = self.runs.get(key)
        self.forget(key)
        if found is not None and found.data.tags[MADE] == made:
            return str(found.info.run_id), False
        if found is not None:
            self.client.delete_run(found.info.run_id)
        run = self.client.create_run(self.experiment, tags={"key": key, MADE: made, **tags}, run_name=name)
        now = run.info.start_time
        values = [Metric(n, v, now, step) for step, each in (metrics or {}).items() for n, v in each.items()]
        self.client.log_batch(run.info.run_id, values, [Param(n, v) for n, v in (params or {}).items()])
        for path in files:
            self.client.log_artifact(run.info.run_id, str(path))
        self.client.set_terminated(run.info.run_id, DONE)
        return str(run.info.run_id), True

    def write_study(self, plan: dict[str, Any], folder: Path) -> None:
        """A run for the study as a whole, with its tables and figures as artifacts."""
        key = f"study:{plan['experiment']}:{plan['study']}"
        files = [folder / name for name in STUDY_FILES if (folder / name).is_file()]
        tags = {"stage": "study", "study": plan["study"]}
        tags["mlflow.note.content"] = f"{plan['title']} {plan.get('claim', '')}"
        self.write_plain(key, f"study · {plan['study']}", files, tags)


def _dataset(each: Data) -> DatasetInput:
    profile = json.dumps({"clips": each.clips, "texts": each.texts})
    dataset = Dataset(each.name, each.digest, "local", json.dumps({"uri": each.source}), profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", each.context)])


@contextlib.contextmanager
def alone(uri: str, results: Path | None = None) -> Iterator[None]:
    """One process at a time writes to a SQLite store, or mirrors `results`: it looks for runs before it makes them.

    A server orders single writes itself. Raises ValueError where the store cannot be reached.
    """
    with contextlib.ExitStack() as stack:
        lock = Path(f"{uri.removeprefix('sqlite:///')}.lock") if uri.startswith("sqlite:///") else None
        lock = results / "mlflow.lock" if lock is None and results is not None else lock
        if lock is not None:
            stack.enter_context(locked(lock))
        try:
            if uri.startswith("sqlite:///"):
                moved.settle(Path(uri.removeprefix("sqlite:///")))
            yield
        except MlflowException as error:
            why = str(error).splitlines()[0][:300]
            again = "nothing is lost: when the store is there, `clipvip track` brings it up to date"
            raise ValueError(f"{uri}: {why}; {again}") from None
