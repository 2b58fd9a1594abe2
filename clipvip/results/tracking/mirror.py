"""Finished cells of a study as MLflow runs: one run a cell, found again by its key, below one run a row.

A row's run (tags `stage` = row, `study`, `variant`, `seed`) sums up its cells: see `study_rows`. A study's table can be
read back from the cells alone too: every evaluation of a study carries the tags `set`, `when` and `study.<study>` (its
variants) and `rows.<study>` (`variant:seed`, space between), its settings as params and its metrics under
`metric_name`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.results.tracking import environment  # noqa: F401

# isort: split
from mlflow.entities import Metric

from clipvip.config.registry import STAGES
from clipvip.results import study_files
from clipvip.results.finished import Finished, Use, reach, read_plan, uses
from clipvip.results.tracking import experiment_page, links
from clipvip.results.tracking.run_record import FORM, metric_name
from clipvip.results.tracking.store import PARENT, Store, alone, create
from clipvip.results.tracking.study_rows import Row, rows
from clipvip.results.tracking.views import ROW, views

__all__ = ["LiveRun", "create", "mirror", "mirror_sweep"]

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


@dataclass
class Places:
    """Where a study uses one cell."""

    variants: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)  # "variant:seed"
    seeds: set[int] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    when: set[str] = field(default_factory=set)


def mirror(plan: dict[str, Any], uri: str, study_folder: Path) -> dict[str, int]:
    """Every finished cell of the plan as a run of the experiment, below a run for each row of the study; how many were
    made, only tagged, and not finished.

    A run that is there and made by the same cell is only tagged. ValueError where the store was not created.
    """
    results, study, experiment = Path(plan["results"]), plan["study"], plan["experiment"]
    used = uses(plan)
    reached = reach(results, [use.key for use in used if use.stage != "captions"])
    places = _places([use for use in used if use.stage != "captions" or use.key in reached])
    cells = sorted(reached.values(), key=lambda cell: list(STAGES).index(cell.stage))
    found = rows(plan, reached)
    made = models = 0
    with alone(uri, results):
        store = Store(uri, experiment)
        whole = _write_study(store, plan, study_folder)
        kept = {f"study:{experiment}:{study}", *(_write_row(store, experiment, row, whole) for row in found)}
        for cell in cells:
            before = store.runs.get(cell.key)
            tags = _tags(cell, places.get(cell.key, Places()), study, before)
            parent = _parent(store, experiment, tags)
            made += store.write(cell, tags | ({PARENT: parent} if parent else {}), reached)
            models += store.write_model(cell, reached) if cell.stage == "finetune" else 0
        for key in store.leave(study, kept | set(reached)):
            own = {name: tag for name, tag in store.runs[key].data.tags.items() if name != f"rows.{study}"}
            store.set_parent(key, _parent(store, experiment, own))
        shown = experiment_page.describe(store, experiment, study, views(plan, found))
    links.write(study_folder, uri, shown)
    unfinished = len(set(places) - set(reached))
    counts = {"made": made, "tagged": len(cells) - made, "unfinished": unfinished}
    return counts | {"models": models, "rows": len(found)}


def _write_study(store: Store, plan: dict[str, Any], folder: Path) -> str:
    """The run of the study as a whole, with its tables and figures as artifacts; its id."""
    files = [folder / name for name in STUDY_FILES if (folder / name).is_file()]
    tags = {"stage": "study", "study": plan["study"]}
    tags["mlflow.note.content"] = links.plain(f"{plan['title']} {plan.get('claim', '')}")
    key = f"study:{plan['experiment']}:{plan['study']}"
    return store.write_plain(key, f"study · {plan['study']}", files, tags)[0]


def _write_row(store: Store, experiment: str, row: Row, study: str) -> str:
    """The summary run of a row, below its study's; its key."""
    key = _row_key(experiment, row.study, f"{row.variant}:{row.seed}")
    tags = {"stage": ROW, "study": row.study, "variant": row.variant, "seed": str(row.seed)}
    tags |= {"missing": " ".join(row.missing)} if row.missing else {}
    metrics = {step: dict(values) for step, values in row.curve.items()}
    metrics[0] = metrics.get(0, {}) | row.metrics
    store.write_plain(key, row.name, [], tags, row.params, metrics, parent=study)
    return key


def _row_key(experiment: str, study: str, row: str) -> str:
    return f"row:{experiment}:{study}:{row}"


def _parent(store: Store, experiment: str, tags: dict[str, str]) -> str | None:
    """The run that a cell hangs below: of all rows that use it, the first row of the first study by name, so that the
    order of tracking changes nothing; where all rows of a study rest on it, the study."""
    for name in sorted(tag.removeprefix("rows.") for tag in tags if tag.startswith("rows.")):
        row = tags[f"rows.{name}"].split(" ")[0]
        key = f"study:{experiment}:{name}" if row == "-" else _row_key(experiment, name, row)
        if key in store.runs:
            return str(store.runs[key].info.run_id)
    return None


class LiveRun:
    """Live view of a running cell; `mirror` replaces it when the cell is finished."""

    def __init__(self, spec: Path, uri: str, experiment: str) -> None:
        read, results = json.loads(spec.read_text()), spec.parent.parent
        inputs = {role: other.rsplit("/", 1)[-1] for role, other in read["inputs"].items()}
        reached, key = reach(results, inputs.values()), spec.stem.split("-")[1]
        cell = Finished(read["stage"], key, results / "cells" / read["stage"] / key, read["settings"], inputs, {})
        self._uri = uri
        with alone(uri):
            store = Store(uri, experiment)
            tags = {"live": "yes", **_asked_by_all(results / experiment, cell)}
            parent = _parent(store, experiment, tags)
            tags |= {PARENT: parent} if parent else {}
            self._client, self._id = store.client, store.begin(cell, tags, reached)

    def send(self, rows: list[tuple[int, float, dict[str, float]]]) -> None:
        """Step, seconds since the epoch, and metrics, of every row."""
        metrics = [
            Metric(metric_name(name), float(value), int(1000 * at), step)
            for step, at, values in rows
            for name, value in values.items()
        ]
        with alone(self._uri):
            for start in range(0, len(metrics), 1000):
                self._client.log_batch(self._id, metrics=metrics[start : start + 1000])

    def end(self, *, failed: bool) -> None:
        """Say how it went."""
        with alone(self._uri):
            self._client.set_terminated(self._id, "FAILED" if failed else "FINISHED")


def mirror_sweep(experiment: str, name: str, folder: Path, uri: str) -> int:
    """A run of the sweep in `folder` and, below it, one a trial; how many were made."""
    rows, curves = pd.read_csv(folder / study_files.TRIALS), json.loads((folder / study_files.TRIAL_CURVES).read_text())
    made = 0
    with alone(uri, folder.parents[2]):
        store = Store(uri, experiment)
        files = sorted(path for path in folder.iterdir() if path.suffix in (".csv", ".yaml", ".md", ".png", ".svg"))
        parent, new = store.write_plain(f"sweep:{experiment}:{name}", f"sweep · {name}", files, {"sweep": name})
        made += new
        settings = [column for column in rows.columns if "." in column]
        for row in rows.to_dict("records"):
            key = f"sweep:{experiment}:{name}:{row['trial']}"
            tags = {"sweep": name, "state": str(row["state"])}
            tags |= {"cell": str(row["cell"])} if isinstance(row["cell"], str) else {}
            params = {column: str(row[column]) for column in settings if pd.notna(row[column])}
            metrics = {0: {"score": float(row["score"])}} if pd.notna(row["score"]) else {}
            for step, value in curves.get(str(row["trial"]), {}).items():
                metrics[int(step)] = metrics.get(int(step), {}) | {"val": float(value)}
            made += store.write_plain(key, f"sweep · {name} · trial {row['trial']}", [], tags, params, metrics, parent)[
                1
            ]
    return made


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
    """Tags of a finished cell's run; what other studies have given it stays."""
    receipt, others = cell.receipt, before.data.tags if before is not None else {}
    made = {"made": f"{receipt['fingerprint']} {receipt['started']} {FORM}", "commit": receipt.get("commit") or ""}
    tags = _asked(cell, places, study, others) | made
    return {name: value for name, value in tags.items() if value}


def _asked(cell: Finished, places: Places, study: str, others: Mapping[str, str]) -> dict[str, str]:
    """Tags that say what a cell is made from and which rows of the study use it; those of other studies stay."""
    seeds = {str(seed) for seed in places.seeds} | set(filter(None, others.get("seed", "").split(",")))
    tags = {name: tag for name, tag in others.items() if name.startswith(("study.", "rows."))}
    tags |= {
        "key": cell.key,
        "stage": cell.stage,
        "seed": ",".join(sorted(seeds, key=int)),
        "set": ",".join(sorted(places.sets)),
        "when": ",".join(sorted(places.when)),
        f"study.{study}": ",".join(places.variants) or "-",  # "-": not of one row, but all rest on it
        f"rows.{study}": " ".join(dict.fromkeys(places.rows)) or "-",
    }
    tags |= {f"input.{role}": key for role, key in cell.inputs.items()}
    return {name: value for name, value in tags.items() if value}


def _asked_by_all(home: Path, cell: Finished) -> dict[str, str]:
    """The same by every study of the experiment in this folder; without one, what the cell itself says."""
    tags = {"key": cell.key, "stage": cell.stage, "seed": str(cell.settings.get("seed", ""))}
    for path in sorted(home.glob(f"studies/*/{study_files.PLAN}")):
        plan = read_plan(path.parent)
        places = _places(uses(plan))
        if cell.key in places:
            tags = _asked(cell, places[cell.key], plan["study"], tags)
    return {name: value for name, value in tags.items() if value}
