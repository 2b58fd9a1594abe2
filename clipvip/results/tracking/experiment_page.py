"""What an experiment's own page in MLflow shows: saved views of each study, and a description that leads to them."""

import hashlib
import json
import time
from typing import Any

from clipvip.results.tracking import links
from clipvip.results.tracking.store import Store
from clipvip.results.tracking.views import TAG, View

NOTE, NOTED = "mlflow.note.content", "described"  # the experiment's description, and the digest of what we wrote


def describe(store: Store, name: str, study: str, found: list[View]) -> list[tuple[str, str]]:
    """Keep the study's views with the experiment, drop those that are no more, and renew the description; the
    (label, place) pairs of the study. A description that somebody else wrote stays."""
    client, at = store.client, store.experiment
    tags = client.get_experiment(at).tags
    before = {key.removeprefix(TAG): _read(value) for key, value in tags.items() if key.startswith(TAG)}
    ours = {view: read for view, read in before.items() if f"study:{name}:{_study(view)}" in store.runs}
    for view in found:
        now = int(1000 * time.time())
        read = _read(view.envelope(now))
        if [ours.get(view.id, {}).get(key) for key in ("name", "state")] != [read["name"], read["state"]]:
            client.set_experiment_tag(at, TAG + view.id, view.envelope(now))
    own = {view.id: view.name for view in found}
    for view in ours:
        if _study(view) == study and view not in own:
            client.delete_experiment_tag(at, TAG + view)
    labels = {view: str(read.get("name", view)) for view, read in ours.items() if _study(view) != study} | own
    listed = [(label, links.place(at, view)) for view, label in sorted(labels.items(), key=_order)]
    text = links.description(name, listed)
    if NOTE not in tags or tags.get(NOTED) == _digest(tags[NOTE]):
        for key, value in ((NOTE, text), (NOTED, _digest(text)), links.KIND):
            if tags.get(key) != value:
                client.set_experiment_tag(at, key, value)
    return [(view.name, links.place(at, view.id)) for view in found]


def _read(value: str) -> dict[str, Any]:
    """A saved view; what the page's "Share" keeps has no name and is none of ours."""
    try:
        read = json.loads(value)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _study(view: str) -> str:
    return view.split(links.CLAIM)[0].removesuffix(links.EACH)


def _order(item: tuple[str, str]) -> tuple[str, int]:
    _, _, claim = item[0].partition(links.CLAIM)
    return _study(item[0]), int(claim or 0)  # the sort is stable: a study comes before its runs one by one


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
