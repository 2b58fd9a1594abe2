"""Fine-tuned models as logged models of MLflow 3, each once, beside the run that made it."""

import os
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from clipvip.results.tracking import environment  # noqa: F401

# isort: split
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from clipvip.results.finished import Finished

KIND = "CLIP-ViP"  # MLflow's type of a logged model
WEIGHTS = "artifacts/model"  # where a pyfunc keeps the folder it was given
REFUSED = r"[/:.%\"']"  # MLflow allows none of these in the name of a model


def write(client: MlflowClient, cell: Finished, run: Any, params: dict[str, str]) -> str:
    """Log the model of a fine-tuning with its run; its URI, `models:/<id>`."""
    name = re.sub(REFUSED, "_", run.info.run_name)
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    experiment = run.info.experiment_id
    model = client.create_logged_model(experiment, name, run.info.run_id, tags, params, KIND)
    with tempfile.TemporaryDirectory() as place:
        saved = Path(place) / "model"
        _save(cell, saved, model.model_id, run.info.run_id)
        where = urlsplit(model.artifact_location)
        if where.scheme in ("", "file"):
            shutil.copytree(saved, Path(unquote(where.path)), dirs_exist_ok=True)
            shutil.copytree(cell.folder / "model", Path(unquote(where.path)) / WEIGHTS, copy_function=_link)
        else:
            shutil.copytree(cell.folder / "model", saved / WEIGHTS)
            client.log_model_artifacts(model.model_id, str(saved))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    return f"models:/{model.model_id}"


def forget(client: MlflowClient, uri: str) -> None:
    """Take a logged model away, if it is there."""
    try:
        client.delete_logged_model(uri.removeprefix("models:/"))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _save(cell: Finished, out: Path, model: str, run: str) -> None:
    """All of the MLflow model but the weights."""
    frames = cell.settings.get("frames") or {}
    settings = {name: cell.settings[name] for name in ("num_frames", "max_tokens")}
    settings |= {"resize": frames.get("resize", "squash"), "antialias": frames.get("antialias", True)}
    with tempfile.TemporaryDirectory() as nothing, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # mlflow's own, about type hints
        from clipvip.results.tracking import pyfunc_model

        (Path(nothing) / "model").mkdir()
        pyfunc_model.save(Path(nothing) / "model", settings, out, model, run)
    shutil.rmtree(out / WEIGHTS, ignore_errors=True)


def _link(source: str, target: str) -> str:
    """A second name of a file, which takes no room; a copy where the disk is another one or allows none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
