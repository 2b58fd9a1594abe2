"""An MLflow store and the runs of one experiment in it, found again by their key."""

import hashlib
import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from clipvip.results.tracking import environment  # noqa: F401

# isort: split
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from clipvip.results.finished import Finished
from clipvip.results.tracking import models
from clipvip.results.tracking.place import alone, create, is_file
from clipvip.results.tracking.run_record import Data, data, final_metrics, params, step_metrics, system_metrics, title
from clipvip.runtime import cell_files

__all__ = ["Store", "alone", "create"]

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

MODEL = "model"  # the tag that says where a run's logged model is
DONE, MADE = "FINISHED", "made"  # status, and the tag by which a run is known to be of the cell as it is
PARENT = "mlflow.parentRunId"


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
        artifacts = self.client.get_experiment("0").tags.get("artifacts") if is_file(uri) else None
        if artifacts is None and is_file(uri):
            raise ValueError(f"{uri}: this store was not made by `create`; make it first")
        place = None if artifacts is None else (Path(artifacts) / name).as_uri()
        try:
            return str(self.client.create_experiment(name, artifact_location=place))
        except MlflowException as error:
            found = self.client.get_experiment_by_name(name)  # made by another process meanwhile?
            if found is None:
                raise error
            return str(found.experiment_id)

    # -- cells -------------------------------------------------------------------------------------

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
            self._delete(found)
        start = int(datetime.fromisoformat(cell.receipt["started"]).timestamp() * 1000)
        end = start + int(cell.receipt["seconds"] * 1000)
        settings = params(cell, reached)
        name = title(cell, settings, tags, reached)
        run = self.client.create_run(self.experiment, start_time=start, tags=tags, run_name=name)
        model = self._model_of(cell)
        metrics = [Metric(name, value, end, 0, model) for name, value in final_metrics(cell, tags).items()]
        for step, share, values in step_metrics(cell):
            metrics += [Metric(name, value, start + int(share * (end - start)), step) for name, value in values.items()]
        for step, (second, values) in enumerate(system_metrics(cell)):
            metrics += [Metric(name, value, start + int(1000 * second), step) for name, value in values.items()]
        self._log(run, metrics, settings)
        if (cell.folder / cell_files.METRICS).is_file():
            self.client.log_artifact(run.info.run_id, str(cell.folder / cell_files.METRICS))
        self.client.log_inputs(run.info.run_id, [_dataset(each) for each in data(cell, reached)])
        self.client.set_terminated(run.info.run_id, DONE, end_time=end)
        self.runs[cell.key] = run
        return True

    def write_model(self, cell: Finished, reached: dict[str, Finished]) -> bool:
        """Log the model of a fine-tuning with its run, once; whether it was not there yet."""
        run = self.runs[cell.key]
        if MODEL in run.data.tags or not (cell.folder / "model").is_dir():
            return False
        uri = models.write(self.client, cell, run, params(cell, reached))
        self.client.set_tag(run.info.run_id, MODEL, uri)
        run.data.tags[MODEL] = uri
        return True

    def _model_of(self, cell: Finished) -> str | None:
        """The id of the logged model that an evaluation is of; its metrics then stand beside the model too."""
        run = self.runs.get(cell.inputs.get("model", "")) if cell.stage == "evaluate" else None
        uri: str = run.data.tags.get(MODEL, "") if run is not None else ""
        return uri.removeprefix("models:/") or None

    def begin(self, cell: Finished, tags: dict[str, str], reached: dict[str, Finished]) -> str:
        """A run of a cell that is being made, until `write` takes its place; its id."""
        self.forget(cell.key)
        settings = params(cell, reached)
        name = title(cell, settings, tags, reached)
        run = self.client.create_run(self.experiment, tags={"key": cell.key, **tags}, run_name=name)
        self._log(run, [], settings)
        self.client.log_inputs(run.info.run_id, [_dataset(each) for each in data(cell, reached)])
        return str(run.info.run_id)

    def forget(self, key: str) -> None:
        """Remove runs of a key that have no end, and doubles of the one that has."""
        for run in self.begun.pop(key, []):
            self._delete(run)

    def _delete(self, run: Any) -> None:
        self.client.delete_run(run.info.run_id)
        if MODEL in run.data.tags:
            models.forget(self.client, run.data.tags[MODEL])

    def _log(self, run: Any, metrics: list[Metric], params: dict[str, str]) -> None:
        listed = [Param(name, value) for name, value in params.items()]
        for at in range(0, len(listed), 100):
            self.client.log_batch(run.info.run_id, params=listed[at : at + 100])
        for at in range(0, len(metrics), 1000):
            self.client.log_batch(run.info.run_id, metrics=metrics[at : at + 1000])

    # -- studies -----------------------------------------------------------------------------------

    def write_plain(
        self,
        key: str,
        name: str,
        files: list[Path],
        tags: dict[str, str],
        params: dict[str, str] | None = None,
        metrics: dict[int, dict[str, float]] | None = None,
        parent: str | None = None,
    ) -> tuple[str, bool]:
        """A run that is no cell, made again where anything of it changed: its id, and whether it was made."""
        content = json.dumps([name, tags, params, metrics]).encode() + b"".join(path.read_bytes() for path in files)
        made = hashlib.sha256(content).hexdigest()[:12]
        above = {PARENT: parent} if parent else {}
        found = self.runs.get(key)
        self.forget(key)
        if found is not None and found.data.tags[MADE] == made:
            if parent and found.data.tags.get(PARENT) != parent:
                self.client.set_tag(found.info.run_id, PARENT, parent)
            return str(found.info.run_id), False
        if found is not None:
            self._delete(found)
        run = self.client.create_run(self.experiment, tags={"key": key, MADE: made, **tags, **above}, run_name=name)
        now = run.info.start_time
        values = [Metric(n, v, now, step) for step, each in (metrics or {}).items() for n, v in each.items()]
        self._log(run, values, params or {})
        for path in files:
            self.client.log_artifact(run.info.run_id, str(path))
        self.client.set_terminated(run.info.run_id, DONE)
        self.runs[key] = run
        return str(run.info.run_id), True

    def leave(self, study: str, kept: set[str]) -> list[str]:
        """Take the study's tags off runs that it uses no more, and its rows that are gone; the keys of the others that
        lost a tag."""
        lost = []
        for key, run in list(self.runs.items()):
            tags = run.data.tags
            if key in kept:
                continue
            if tags.get("stage") == "row" and tags.get("study") == study:
                self._delete(self.runs.pop(key))
            for tag in (name for name in (f"study.{study}", f"rows.{study}") if name in tags):
                self.client.delete_tag(run.info.run_id, tag)
                lost += [key] if tag.startswith("rows.") else []
        return lost

    def set_parent(self, key: str, parent: str | None) -> None:
        """Hang a run below another one, or below none."""
        run = self.runs[key]
        if parent is not None and run.data.tags.get(PARENT) != parent:
            self.client.set_tag(run.info.run_id, PARENT, parent)
        elif parent is None and PARENT in run.data.tags:
            self.client.delete_tag(run.info.run_id, PARENT)


def _dataset(each: Data) -> DatasetInput:
    profile = json.dumps({"clips": each.clips, "texts": each.texts})
    dataset = Dataset(each.name, each.digest, "local", json.dumps({"uri": each.source}), profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", each.context)])
