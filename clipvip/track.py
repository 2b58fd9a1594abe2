"""Finished cells of a study as MLflow runs: one run a cell, found again by its key. The only file that imports mlflow.

A study's table can be read back from the store alone: every evaluation of a study carries the tags `set`,
`when` and `study.<study>` (its variants) and `rows.<study>` (`variant:seed`, space between), its settings as
params and its metrics under `metric_name`.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from clipvip.receipts import Finished, Use, reach, uses
from clipvip.runs import MODEL_ROLES, final_metrics, params, step_metrics, title

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

ORDER = (  # parents first
    "world",
    "corpus",
    "frames",
    "clip",
    "captioner",
    "captions",
    "gap",
    "pretrain",
    "finetune",
    "evaluate",
)
STUDY_FILES = ("figure.svg", "figure.png", "table.csv", "summary.csv", "tests.csv", "verdicts.csv")


@dataclass
class Places:
    """Where a study uses one cell."""

    variants: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)  # "variant:seed"
    seeds: set[int] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    when: set[str] = field(default_factory=set)


def create(uri: str, artifacts: Path) -> None:
    """Make the store once, before anybody writes to it; runs will keep their files under `artifacts`.

    Four processes on a fresh SQLite store crash while it migrates, so the workflow does this first.
    """
    artifacts.mkdir(parents=True, exist_ok=True)
    with _alone(uri):
        MlflowClient(uri).set_experiment_tag("0", "artifacts", str(artifacts.resolve()))


def mirror(plan: dict[str, Any], uri: str, study_folder: Path) -> dict[str, int]:
    """Every finished cell of the plan as a run of the experiment; how many were made, only tagged, and not finished.

    A run that is there and made by the same cell is only tagged. ValueError where the store was not created.
    """
    results, study = Path(plan["results"]), plan["study"]
    used = uses(plan)
    reached = reach(results, [use.key for use in used if use.stage != "captions"])
    places = _places([use for use in used if use.stage != "captions" or use.key in reached])
    cells = sorted(reached.values(), key=lambda cell: ORDER.index(cell.stage))
    made = 0
    with _alone(uri):
        store = _Store(uri, plan["experiment"])
        for cell in cells:
            tags = _tags(cell, places.get(cell.key, Places()), study, store.runs.get(cell.key))
            parent = next((store.runs[cell.inputs[r]] for r in MODEL_ROLES if cell.inputs.get(r) in store.runs), None)
            if parent is not None:
                tags["mlflow.parentRunId"] = parent.info.run_id
            made += store.write(cell, tags, reached)
        store.leave(study, kept=set(reached))
        store.write_study(plan, study_folder)
    return {"made": made, "tagged": len(cells) - made, "unfinished": len(set(places) - set(reached))}


def mirror_sweep(experiment: str, name: str, folder: Path, uri: str) -> int:
    """A run of the sweep in `folder` and, below it, one a trial; how many were made."""
    rows, curves = pd.read_csv(folder / "trials.csv"), json.loads((folder / "curves.json").read_text())
    made = 0
    with _alone(uri):
        store = _Store(uri, experiment)
        files = sorted(path for path in folder.iterdir() if path.suffix in (".csv", ".yaml", ".md", ".png", ".svg"))
        parent, new = store.write_plain(f"sweep:{experiment}:{name}", f"sweep · {name}", files, {"sweep": name})
        made += new
        settings = [column for column in rows.columns if "." in column]
        for row in rows.to_dict("records"):
            key = f"sweep:{experiment}:{name}:{row['trial']}"
            tags = {"sweep": name, "state": str(row["state"]), "mlflow.parentRunId": parent}
            tags |= {"cell": str(row["cell"])} if isinstance(row["cell"], str) else {}
            params = {column: str(row[column]) for column in settings if pd.notna(row[column])}
            metrics = {0: {"score": float(row["score"])}} if pd.notna(row["score"]) else {}
            for step, value in curves.get(str(row["trial"]), {}).items():
                metrics[int(step)] = metrics.get(int(step), {}) | {"val": float(value)}
            made += store.write_plain(key, f"trial {row['trial']}", [], tags, params, metrics)[1]
    return made


class _Store:
    """The runs of one experiment, by their key."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.client = MlflowClient(uri)
        self.experiment = self._experiment(uri, experiment)
        self.runs: dict[str, Any] = {}
        token = None
        while token != "":
            page = self.client.search_runs([self.experiment], max_results=1000, page_token=token)
            self.runs |= {run.data.tags["key"]: run for run in page if "key" in run.data.tags}
            token = page.token or ""

    def _experiment(self, uri: str, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        artifacts = self.client.get_experiment("0").tags.get("artifacts")
        if artifacts is None and uri.startswith("sqlite:"):
            raise ValueError(f"{uri}: this store was not made by `create`; make it first")
        place = None if artifacts is None else (Path(artifacts) / name).as_uri()
        return str(self.client.create_experiment(name, artifact_location=place))

    def write(self, cell: Finished, tags: dict[str, str], reached: dict[str, Finished]) -> bool:
        """The run of a cell: tagged if it is there and unchanged, else made (again); whether it was made."""
        found = self.runs.get(cell.key)
        # A run that was cut short is not FINISHED: it is made again.
        if found is not None and found.info.status == "FINISHED" and found.data.tags.get("made") == tags["made"]:
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
        metrics = [Metric(name, value, end, 0) for name, value in final_metrics(cell).items()]
        for step, share, values in step_metrics(cell):
            metrics += [Metric(name, value, start + int(share * (end - start)), step) for name, value in values.items()]
        listed = [Param(name, value) for name, value in settings.items()]
        for at in range(0, len(listed), 100):
            self.client.log_batch(run.info.run_id, params=listed[at : at + 100])
        for at in range(0, len(metrics), 1000):
            self.client.log_batch(run.info.run_id, metrics=metrics[at : at + 1000])
        if (cell.folder / "metrics.json").is_file():
            self.client.log_artifact(run.info.run_id, str(cell.folder / "metrics.json"))
        self.client.set_terminated(run.info.run_id, "FINISHED", end_time=end)
        self.runs[cell.key] = run
        return True

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
        if found is not None and found.info.status == "FINISHED" and found.data.tags.get("made") == made:
            return str(found.info.run_id), False
        if found is not None:
            self.client.delete_run(found.info.run_id)
        run = self.client.create_run(self.experiment, tags={"key": key, "made": made, **tags}, run_name=name)
        now = run.info.start_time
        values = [Metric(n, v, now, step) for step, each in (metrics or {}).items() for n, v in each.items()]
        self.client.log_batch(run.info.run_id, values, [Param(n, v) for n, v in (params or {}).items()])
        for path in files:
            self.client.log_artifact(run.info.run_id, str(path))
        self.client.set_terminated(run.info.run_id, "FINISHED")
        return str(run.info.run_id), True

    def write_study(self, plan: dict[str, Any], folder: Path) -> None:
        """A run for the study as a whole, with its tables and figures as artifacts."""
        key = f"study:{plan['experiment']}:{plan['study']}"
        files = [folder / name for name in STUDY_FILES if (folder / name).is_file()]
        tags = {"stage": "study", "study": plan["study"]}
        tags["mlflow.note.content"] = f"{plan['title']} {plan.get('claim', '')}"
        self.write_plain(key, f"study · {plan['study']}", files, tags)


def _places(found: list[Use]) -> dict[str, Places]:
    """Where the study uses each of its cells, by key."""
    places: dict[str, Places] = {}
    for use in found:
        here = places.setdefault(use.key, Places())
        kind, _, name = use.role.partition("/")
        if use.variant is not None and use.seed is not None:
            here.variants += [use.variant] if use.variant not in here.variants else []
            here.rows.append(f"{use.variant}:{use.seed}")
            here.seeds.add(use.seed)
        if use.stage in ("finetune", "evaluate"):
            here.sets.add(name)
        if use.stage == "evaluate":
            here.when.add(kind)
    return places


def _tags(cell: Finished, places: Places, study: str, before: Any) -> dict[str, str]:
    """Tags of a cell's run; seeds that another study has given it stay."""
    receipt = cell.receipt
    known = before.data.tags.get("seed", "") if before is not None else ""
    seeds = sorted({str(seed) for seed in places.seeds} | set(filter(None, known.split(","))), key=int)
    tags = {
        "key": cell.key,
        "stage": cell.stage,
        "made": f"{receipt['fingerprint']} {receipt['started']}",
        "commit": receipt.get("commit") or "",
        "seed": ",".join(seeds),
        "set": ",".join(sorted(places.sets)),
        "when": ",".join(sorted(places.when)),
        f"study.{study}": ",".join(places.variants) or "-",  # "-": not of one row, but all rest on it
        f"rows.{study}": " ".join(dict.fromkeys(places.rows)) or "-",
    }
    tags |= {f"input.{role}": key for role, key in cell.inputs.items()}
    return {name: value for name, value in tags.items() if value}


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Only one process at a time writes to a SQLite store; a server orders its writers itself."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{database}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
