"""Links to the views of a study in MLflow's page, and the description that an experiment carries there.

Written beside the study when it is tracked, so that the report and the terminal have them without asking MLflow.
"""

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from clipvip.results import study_files
from clipvip.runtime import receipts
from clipvip.runtime.files import write_whole

HERE = "http://127.0.0.1:5000"  # where `make ui` shows the store of a results folder
CLAIM, EACH = ".claim", ".each"  # in the ids of views of a study's claims, and of all its runs one by one
KIND = "mlflow.experimentKind", "custom_model_development"  # MLflow 3's tag and value for its "model training" pages

TAGS = {
    "stage": "`study` (a study with its tables), `row` (one variant with one seed, see below), or the stage of a cell",
    "study, variant, seed": "of a row; its parameters are what the row changes, its metrics those of the table",
    "study.NAME, rows.NAME": "of a cell: the variants, and `variant:seed`, of the study NAME that use it; `-`: all do",
    "set, when": "of a cell: the downstream set, and whether before (`zero_shot`) or after fine-tuning (`fine_tuned`)",
    "key": "the cell's name: `results/cells/STAGE/KEY`",
    "input.ROLE": "the keys of the cells that it was made from",
    "model": "where a fine-tuned model is: `mlflow.pyfunc.load_model(<the tag>)`",
}


def place(experiment: str, view: str) -> str:
    """A saved view of an experiment (its id in the store), below the address of the server."""
    asked = f"viewStateShareKey={quote(view, safe='')}&compareRunsMode=CHART&workflowType=machine_learning"
    return f"/#/experiments/{quote(experiment, safe='')}/runs?{asked}"


def write(study: Path, uri: str, found: list[tuple[str, str]]) -> None:
    """Keep the (label, place) pairs of a study, with the server that has them."""
    server = uri.rstrip("/") if urlsplit(uri).scheme in ("http", "https") else ""
    write_whole(study / study_files.LINKS, json.dumps({"server": server, "links": found}, indent=1) + "\n")


def links(study: Path, here: str = HERE) -> list[tuple[str, str]]:
    """(label, URL) pairs of a study's views, the study first, then its claims; empty where it was never tracked, or
    the file is torn.

    `here` is where a store that is a file is shown (`make ui`).
    """
    read = receipts.read_json(study / study_files.LINKS) or {}
    found = read.get("links") if isinstance(read.get("links"), list) else []
    pairs = [pair for pair in found or [] if isinstance(pair, list) and len(pair) == 2]
    server = str(read.get("server") or here)
    server = server if urlsplit(server).scheme in ("http", "https") else here
    return [(str(label), f"{server}{at}") for label, at in pairs if str(at).startswith("/#/")]


def description(name: str, found: Iterable[tuple[str, str]]) -> str:
    """Markdown of an experiment: its views, and what the tags mean. Labels are text, whatever they hold."""
    found = list(found)
    studies = [(label.split(":")[0], at) for label, at in found if not _part(at)]
    # the page shows the first line until someone unfolds the rest
    lines = ["Compare: " + " · ".join(f"[{plain(study)}]({at[1:]})" for study, at in studies), ""]
    lines += [f"**{plain(name)}: each opens with columns, order, grouping and charts chosen**", ""]
    for label, at in found:
        lines.append(f"{'    ' if _part(at) else ''}- [{plain(label)}]({at[1:]})")  # relative: wherever it is served
    lines += ["", "**What the tags mean**", "", *(f"- `{tag}`: {meaning}" for tag, meaning in TAGS.items())]
    lines += ["", "Not the model-training pages? Choose *Model training* at the top left. Written by `clipvip track`."]
    return "\n".join(lines) + "\n"


def _part(at: str) -> bool:
    """Whether a view shows a part of a study, or shows it otherwise."""
    return CLAIM in at or f"{EACH}&" in at


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is: no markup, links or images of its own."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
