"""What the variants of a study are, in words that follow from the settings of their cells."""

from collections.abc import Mapping, Sequence
from typing import Any

from clipvip.config.stages import OBJECTIVES
from clipvip.results.finished import Finished

POOLING = {
    "mean": "frames read one by one and averaged",
    "full": "every patch sees every patch of every frame",
    "proxies": "video proxies",
}


def described(plan: Mapping[str, Any], cells: Mapping[str, Finished]) -> dict[str, str]:
    """Variant -> how it reads a video and what it was post-pretrained on; empty where none of its cells is there."""
    found: dict[str, str] = {}
    for row in plan["rows"]:
        said = _described(row["cells"], cells)
        if said or row["variant"] not in found:
            found[str(row["variant"])] = said
    return found


def _described(named: Mapping[str, Any], cells: Mapping[str, Finished]) -> str:
    pretrained = cells.get(named.get("pretrain") or "")
    models = [cells[key].settings.get("model") for key in named.values() if key in cells]
    model = next((each for each in models if each), None)
    parts = [_reads(model)] if model else []
    if pretrained is not None:
        parts.append(_learns(pretrained, cells))
    elif named.get("weights"):
        parts.append("post-pretrained weights from elsewhere")
    elif model and not named.get("pretrain"):
        parts.append("no post-pretraining")
    return "; ".join(parts)


def _reads(model: Mapping[str, Any]) -> str:
    pooling = str(model.get("pooling"))
    said = POOLING.get(pooling, pooling)
    if pooling == "proxies":
        said = f"{model['num_proxies']} {said if model['num_proxies'] != 1 else 'video proxy'}"
    said += ", with a place in time" if pooling == "mean" and model.get("temporal") else ""
    dropped = model.get("patch_dropping") or 0
    return said + (f", trained on {100 * (1 - dropped):g} % of each frame's patches" if dropped else "")


def _learns(cell: Finished, cells: Mapping[str, Finished]) -> str:
    corpus = cells.get(cell.inputs.get("corpus", ""))
    name = _corpus(corpus.settings) if corpus is not None else "a corpus"
    clips = cell.receipt.get("clips")
    terms = cell.settings.get("terms")
    number = f"{clips:,} clips of {name}" if isinstance(clips, int) else name
    return f"post-pretrained on {number}" + (f", objective {objective(terms)}" if terms else "")


def _corpus(settings: Mapping[str, Any]) -> str:
    world = settings.get("world") or {}
    return str(world.get("part") or settings.get("format") or "a corpus")


def objective(terms: Sequence[Mapping[str, Sequence[str]]]) -> str:
    """`d (video with subtitle and caption together; frame with caption)`, for the objective of these terms."""
    as_lists = [{role: list(others) for role, others in term.items()} for term in terms]
    known = {
        name: [{role: list(others) for role, others in term.items()} for term in own]
        for name, own in OBJECTIVES.items()
    }
    name = next((name for name, own in known.items() if own == as_lists), None)
    words = "; ".join(_term(role, others) for term in as_lists for role, others in term.items())
    return f"{name} ({words})" if name else words


def _term(role: str, others: Sequence[str]) -> str:
    return f"{role} with {' and '.join(others)}" + (" together" if len(others) > 1 else "")
