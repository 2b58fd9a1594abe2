"""What a finished cell says of itself as a tracked run: name, params, final metrics, metrics along training.

Plain data, so that the tracker can be any; names are those that MLflow allows.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from clipvip.config.registry import STAGES
from clipvip.config.stages import OBJECTIVES
from clipvip.results.finished import Finished
from clipvip.runtime import cell_files

MODEL_ROLES = ("model", "clip")  # the input that a model was made from, and so the parent run
POOLINGS = {"mean": "mean", "full": "full attention"}
MOST_STEPS = 500  # rows of a long history that are kept, besides those with a validation
LOST = ("num_missing", "num_unreadable", "num_left_out", "num_leaked")  # clips that a receipt counts
LONGEST = 500  # characters of a param
FORM = "4"  # of what a run says; another form makes all runs anew


def metric_name(name: str) -> str:
    """A metric's name in MLflow, which allows no `@`: `t2v/R@5` -> `t2v/R_at_5`; what else it refuses becomes `_`."""
    return re.sub(r"[^\w/\-. :]", "_", name.replace("@", "_at_"), flags=re.ASCII)


def params(cell: Finished, reached: dict[str, Finished]) -> dict[str, str]:
    """The cell's settings, flat, and those of the models it was made from, prefixed by their stage."""
    listed = flat(cell.settings)
    at: Finished | None = cell
    while at is not None:
        if at.stage == "pretrain":
            prefix = "" if at is cell else "pretrain."
            listed.setdefault(f"{prefix}clips", str(at.receipt.get("clips", "all")))
        at = next((reached[at.inputs[role]] for role in MODEL_ROLES if at.inputs.get(role) in reached), None)
        if at is not None and at.stage in ("pretrain", "weights", "finetune"):
            listed |= {f"{at.stage}.{name}": value for name, value in flat(at.settings).items()}
    return listed


def title(cell: Finished, listed: dict[str, str], tags: dict[str, str], reached: dict[str, Finished]) -> str:
    """A name for people, with the cell's own for uniqueness:
    `post-pretrain · proxies 4 · objective d · 12,000 clips · seed 0 · 9b1d7959a41b`."""
    stage = cell.stage
    parts = [STAGES[stage].title, tags.get("set", ""), tags.get("when", "").replace("_", "-")]
    if stage in ("world", "corpus", "frames", "captions", "clip", "captioner"):
        about = cell if stage in ("world", "corpus") else reached.get(cell.inputs.get("corpus", ""))
        parts += [_corpus(about)] if about is not None else []
    if stage in ("pretrain", "weights", "finetune", "evaluate"):
        parts.append(model_words(listed))
        objective = _first(listed, "objective", "pretrain.objective")
        clips = _first(listed, "clips", "pretrain.clips")
        if objective:
            parts += [f"objective {objective}", f"{int(clips):,} clips" if clips.isdigit() else f"{clips} clips"]
        elif weights := _first(listed, "content", "weights.content"):
            parts.append(f"weights {weights.removeprefix('revision ')[:12]}")
        else:
            parts.append("no post-pretraining")
    if tags.get("seed"):
        parts.append(f"seed {tags['seed']}")
    parts.append(cell.key)
    return " · ".join(part for part in parts if part)


def final_metrics(cell: Finished, tags: dict[str, str]) -> dict[str, float]:
    """Numbers at the end: metrics.json of an evaluation, quality of captions, NMI of a language gap, seconds.

    Those of an evaluation are named as in every table: `msrvtt/t2v/R@1`, `msrvtt/zero_shot/t2v/R@1`.
    """
    when = "zero_shot/" if tags.get("when") == "zero_shot" else ""
    evaluated = f"{tags['set']}/{when}" if cell.stage == "evaluate" else ""
    found: dict[str, Any] = {name: cell.receipt[name] for name in ("seconds", *LOST) if name in cell.receipt}
    if cell.stage == "frames":
        found["num_unreadable"] = len(cell.receipt.get("unreadable", []))
    for name, prefix in ((cell_files.METRICS, evaluated), (cell_files.QUALITY, "quality/")):
        path = cell.folder / name
        if path.is_file():
            found |= {prefix + key: value for key, value in json.loads(path.read_text()).items()}
    path = cell.folder / cell_files.NMI
    if path.is_file():
        measures = ["nmi", "ami", "mmd", "mmd_p"]
        means = pd.read_csv(path).groupby(["source", "downstream"], as_index=False)[measures].mean()
        for row in means.to_dict("records"):
            found |= {f"{name}/{row['source']}/{row['downstream']}": row[name] for name in measures}
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float) and math.isfinite(value)}
    return {metric_name(name): float(value) for name, value in numbers.items()}


def step_metrics(cell: Finished) -> Iterator[tuple[int, float, dict[str, float]]]:
    """Step, share of the training that was over, and the metrics of that step, from history.csv.

    Long histories are thinned to about MOST_STEPS rows; rows with a validation always stay.
    """
    path = cell.folder / cell_files.HISTORY
    if not path.is_file():
        return
    history = pd.read_csv(path)
    validated = history.filter(like="val/").notna().any(axis=1).to_numpy()
    every = max(len(history) // MOST_STEPS, 1)
    last = max(float(history["step"].max()), 1.0)
    for place, row in enumerate(history.to_dict("records")):
        if place % every == 0 or validated[place] or place == len(history) - 1:
            step = int(row.pop("step"))
            values = {metric_name(str(name)): float(value) for name, value in row.items() if pd.notna(value)}
            yield step, step / last, values


def system_metrics(cell: Finished) -> Iterator[tuple[float, dict[str, float]]]:
    """Second, and what the job took of the machine then, from system.csv; thinned to about MOST_STEPS rows."""
    path = cell.folder / cell_files.SYSTEM
    if not path.is_file():
        return
    rows = pd.read_csv(path)
    for row in rows.iloc[:: max(len(rows) // MOST_STEPS, 1)].to_dict("records"):
        second = float(row.pop("second"))
        yield second, {f"system/{name}": float(value) for name, value in row.items() if pd.notna(value)}


@dataclass(frozen=True)
class Data:
    """A corpus that a cell read."""

    name: str
    digest: str  # the key of its cell
    context: str  # "training", "validation", "test", "language"
    source: str
    clips: int | None
    texts: int | None


def data(cell: Finished, reached: dict[str, Finished]) -> list[Data]:
    """The corpora among a cell's inputs."""
    found = []
    for role, key in cell.inputs.items():
        corpus = reached.get(key)
        if corpus is None or corpus.stage != "corpus" or cell.stage in ("corpus", "frames"):
            continue
        context = "test" if cell.stage == "evaluate" else "language" if cell.stage == "gap" else "training"
        context = "validation" if role.startswith("validation:") else context
        source = str(corpus.settings.get("root") or "generated")
        counts = [corpus.receipt.get(name) for name in ("clips", "texts")]
        found.append(Data(_corpus(corpus), key, context, source, counts[0], counts[1]))
    return found


def _corpus(cell: Finished) -> str:
    """What a corpus, or generated files, are called: `didemo, gallery 2`."""
    world = cell.settings if cell.stage == "world" else cell.settings.get("world") or {}
    name = str(world.get("part") or cell.settings.get("format", ""))
    return name + (f", gallery {world['gallery']}" if world.get("gallery", 1) > 1 else "")


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted names, what is not set left out, lists as JSON, an objective by its name where it has one."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if name == "terms":
            asked = json.dumps(value)
            named = (key for key, terms in OBJECTIVES.items() if json.dumps(terms) == asked)
            found[f"{prefix}objective"] = next(named, asked)[:LONGEST]
        elif isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[f"{prefix}{name}"] = (value if isinstance(value, str) else json.dumps(value))[:LONGEST]
    return found


def _first(listed: dict[str, str], *names: str) -> str:
    return next((listed[name] for name in names if name in listed), "")


def model_words(listed: dict[str, str]) -> str:
    """How the video encoder reads: its own settings, or those of the model it was made from."""
    for prefix in ("", "finetune.", "pretrain.", "weights."):
        pooling = listed.get(f"{prefix}model.pooling")
        if pooling is not None:
            temporal = " + temporal" if pooling == "mean" and listed.get(f"{prefix}model.temporal") == "true" else ""
            return POOLINGS.get(pooling, f"{pooling} {listed.get(f'{prefix}model.num_proxies', '')}") + temporal
    return ""
