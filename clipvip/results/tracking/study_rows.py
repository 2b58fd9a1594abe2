"""A row of a study as one summary: what the row changes, its final metrics on every set, its post-pretraining's curve.

A cell is shared by rows and studies, so no cell says what a row is; these summaries do, and can be compared, grouped
and plotted as they are.
"""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from clipvip.results.finished import Finished
from clipvip.results.tracking.run_record import LOST, final_metrics, flat, metric_name, model_words
from clipvip.runtime import cell_files

NONE = "none"  # value of a setting that a row has not, such as the objective of a row without post-pretraining
FIRST = ("model", "clips", "objective", "corpus")  # the order in which a reader wants to see what rows change


@dataclass
class Row:
    """One variant with one seed."""

    study: str
    variant: str
    seed: int
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    curve: dict[int, dict[str, float]] = field(default_factory=dict)  # step -> validation along post-pretraining
    missing: list[str] = field(default_factory=list)  # roles whose cells are not finished

    @property
    def name(self) -> str:
        """For people, and unique in its experiment."""
        return f"{self.variant} · seed {self.seed} · {self.study}"


def rows(plan: dict[str, Any], reached: dict[str, Finished]) -> list[Row]:
    """The rows of a plan of which some evaluation is finished, in the plan's order."""
    found, listed = [], []
    for planned in plan["rows"]:
        keys = {role: key.rsplit("/", 1)[-1] for role, key in planned["cells"].items() if key}
        cells = {role: reached[key] for role, key in keys.items() if key in reached}
        row = Row(plan["study"], str(planned["variant"]), int(planned["seed"]))
        row.missing = [role for role in keys if role not in cells]
        row.metrics = _metrics(cells)
        if row.metrics:
            row.metrics["seconds"] = sum(float(cell.receipt["seconds"]) for cell in cells.values())
            row.curve = _curve(cells.get("pretrain"))
            found.append(row)
            listed.append(_settings(cells, reached))
    names = changed(listed)
    for row, settings in zip(found, listed, strict=True):
        row.params = {"variant": row.variant, "seed": str(row.seed)}
        row.params |= {name: settings.get(name, "0" if name == "clips" else NONE) for name in names}
    return found


def changed(listed: list[dict[str, str]]) -> list[str]:
    """The settings in which rows differ, seeds left out: they are the replicate."""
    names = dict.fromkeys([*FIRST, *(name for settings in listed for name in settings)])
    values = {name: {settings.get(name) for settings in listed} for name in names}
    return [name for name in names if len(values[name]) > 1 and not name.endswith("seed")]


def _metrics(cells: dict[str, Finished]) -> dict[str, float]:
    """Named as in every table, `@` as MLflow has it: `msrvtt/t2v/R_at_5`, `msrvtt/zero_shot/t2v/R_at_5`."""
    found: dict[str, float] = {}
    for role, cell in cells.items():
        when, _, name = role.partition("/")
        if cell.stage == "evaluate":
            found |= final_metrics(cell, {"when": when, "set": name})
    return {name: value for name, value in found.items() if name not in ("seconds", *LOST)}


def _curve(trained: Finished | None) -> dict[int, dict[str, float]]:
    path = trained.folder / cell_files.HISTORY if trained is not None else None
    if path is None or not path.is_file():
        return {}
    history = pd.read_csv(path)
    validated = history.set_index("step").filter(like="val/").dropna(how="all")
    named = validated.rename(columns=lambda name: metric_name(f"pretrain/{name}"))
    there = named.reset_index().to_dict("records")
    return {int(row.pop("step")): {str(k): float(v) for k, v in row.items() if pd.notna(v)} for row in there}


def _settings(cells: dict[str, Finished], reached: dict[str, Finished]) -> dict[str, str]:
    """What the cells of a row were told, flat: the model's and the post-pretraining's settings under their own names,
    those of fine-tuning and of the starting CLIP with their stage before them."""
    tuned = next((cell for role, cell in cells.items() if role.startswith("finetune/")), None)
    tested = next((cell for role, cell in cells.items() if role.startswith("zero_shot/")), None)
    trained = cells.get("pretrain") or cells.get("weights")
    found = {f"finetune.{name}": value for name, value in flat(tuned.settings).items()} if tuned else {}
    found = {name: value for name, value in found.items() if not name.startswith("finetune.model.")}
    if "clip" in cells:
        found |= {f"clip.{name}": value for name, value in flat(cells["clip"].settings).items()}
    if trained is not None:
        found |= flat(trained.settings)
        corpus = reached.get(trained.inputs.get("corpus", ""))
        found |= {"corpus": _corpus(corpus)} if corpus is not None else {}
    if trained is not None and trained.stage == "pretrain":
        found["clips"] = str(trained.receipt.get("clips", found.get("clips", "all")))
    models = (cell.settings.get("model") for cell in (trained, tuned, tested) if cell is not None)
    model = flat(next((each for each in models if each), {}), "model.")
    words = model_words(model)
    return found | model | ({"model": words} if words else {})


def _corpus(cell: Finished) -> str:
    world = cell.settings.get("world") or {}
    return str(world.get("part") or cell.settings["format"])
