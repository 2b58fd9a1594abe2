"""Variants side by side, query by query: what each ranks where, with the texts and a few film strips.

All fine-tuned text-to-video ranks of all studies go into the page as one packed block (gzip, base64), which a script
unpacks; of several replicates the geometric mean of ranks. Cells that studies share are there once.
"""

import base64
import contextlib
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from clipvip.config.data import FramesSettings
from clipvip.corpora.right_answers import query_ids
from clipvip.data import manifest
from clipvip.data.clips import Clips
from clipvip.data.media.file_header import VideoError
from clipvip.results import numbers
from clipvip.results.finished import Finished
from clipvip.results.report import strips
from clipvip.runtime import cell_files
from clipvip.runtime.shown import Shown

MOST: Shown = 20_000  # queries in the page, of all sets together
STRIPS: Shown = 160  # film strips a set: of the queries whose rank differs most between variants
LONGEST: Shown = 240  # signs of a text


def made(plans: Sequence[Mapping[str, Any]], cells: Mapping[str, Finished]) -> dict[str, Any] | None:
    """The packed block and the sizes a reader is told; None where no study has two variants to compare."""
    uses = {name: _uses(plans, cells, name) for name in dict.fromkeys(s for plan in plans for s in plan["downstream"])}
    uses = {name: own for name, own in uses.items() if any(len(variants) > 1 for variants in own.values())}
    if not uses:
        return None
    sets = {name: _set(own, cells, max(1, MOST // len(uses))) for name, own in uses.items()}
    studies = [
        {
            "name": plan["study"],
            "baseline": plan["baseline"],
            "sets": {
                name: {variant: sets[name]["columns"].index(keys) for variant, keys in own[plan["study"]].items()}
                for name, own in uses.items()
                if len(own.get(plan["study"], {})) > 1
            },
        }
        for plan in plans
    ]
    block = {
        "studies": [study for study in studies if study["sets"]],
        "sets": {name: {key: value for key, value in each.items() if key != "columns"} for name, each in sets.items()},
    }
    packed = gzip.compress(json.dumps(block, separators=(",", ":")).encode(), 9, mtime=0)
    left_out = {name: each["all"] for name, each in sets.items() if each["all"] > len(each["texts"])}
    return {"packed": base64.b64encode(packed).decode(), "block": block, "left_out": left_out}


def _uses(
    plans: Sequence[Mapping[str, Any]], cells: Mapping[str, Finished], name: str
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Study -> variant -> keys of its finished evaluations on a set."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for plan in plans:
        own: dict[str, dict[str, None]] = {}
        for row in plan["rows"]:
            key = row["cells"].get(f"fine_tuned/{name}")
            if key in cells and (cells[key].folder / cell_files.RANKS).is_file():
                own.setdefault(str(row["variant"]), {})[key] = None
        found[str(plan["study"])] = {variant: tuple(keys) for variant, keys in own.items()}
    return found


def _set(own: Mapping[str, Mapping[str, tuple[str, ...]]], cells: Mapping[str, Finished], most: int) -> dict[str, Any]:
    """Texts, clips, ranks by column and strips of one set."""
    columns = list(dict.fromkeys(keys for variants in own.values() for keys in variants.values()))
    first = cells[columns[0][0]]
    every = {key: _ranks(cells[key]) for keys in columns for key in keys}
    rows = every[first.key]
    for other in every.values():  # a clip that one of them could not read is left out
        rows = rows if rows.index.equals(other.index) else rows[rows.index.isin(other.index)]
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int))
    shown = rows.iloc[chosen]
    ranks = [_mean([every[key].loc[shown.index] for key in keys]) for keys in columns]
    texts = _texts(first, cells)
    spread = np.log2(np.stack(ranks))
    order = np.argsort(-(spread.max(axis=0) - spread.min(axis=0)), kind="stable")[:STRIPS]
    sprite, places = _sprite(first, cells, shown, order.tolist())
    return {
        "all": len(rows),
        "columns": columns,
        "texts": [_cut(texts.get((gallery, query), query)) for gallery, query in shown.index],
        "clips": [str(each) for each in shown["clip_id"]],
        "ranks": [[round(float(rank), 1) for rank in each] for each in ranks],
        "sprite": sprite,
        "strips": places,
    }


def _ranks(cell: Finished) -> pd.DataFrame:
    """clip_id and rank by gallery and query."""
    rows = pd.read_parquet(cell.folder / cell_files.RANKS)
    rows = rows[rows["direction"] == "t2v"]
    if "gallery" not in rows:
        rows = rows.assign(gallery=1)
    return rows.set_index(["gallery", "query"])[["clip_id", "rank"]]


def _mean(runs: Sequence[pd.DataFrame]) -> Any:
    """Geometric mean of the ranks of several runs."""
    return np.exp2(np.mean([np.log2(run["rank"].to_numpy(np.float64)) for run in runs], axis=0))


def _prefix(gallery: int) -> str:
    return f"gallery{gallery}:" if gallery > 1 else ""


def _texts(cell: Finished, cells: Mapping[str, Finished]) -> dict[tuple[int, str], str]:
    """(gallery, query) -> its text, for the galleries whose corpus is still there."""
    found: dict[tuple[int, str], str] = {}
    gallery = 1
    while f"{_prefix(gallery)}corpus" in cell.inputs:
        corpus = cells.get(cell.inputs[f"{_prefix(gallery)}corpus"])
        if corpus is not None and (corpus.folder / cell_files.MANIFEST).is_file():
            rows = manifest.read(corpus.folder, split="test")
            ids = query_ids(list(rows["clip_id"]))
            found |= {(gallery, query): text for query, text in zip(ids, rows["text"], strict=True)}
        gallery += 1
    return found


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _sprite(
    cell: Finished, cells: Mapping[str, Finished], shown: pd.DataFrame, order: Sequence[int]
) -> tuple[dict[str, Any] | None, dict[int, int]]:
    """One picture of film strips below each other, and query -> its place in it."""
    opened: dict[int, Clips | None] = {}
    found, places = [], {}
    for query in order:
        gallery = int(shown.index[query][0])
        if gallery not in opened:
            opened[gallery] = open_gallery(cell, cells, gallery)
        clips = opened[gallery]
        if clips is None:
            continue
        with contextlib.suppress(VideoError, KeyError, OSError):  # the video may be gone since
            found.append(strips.small(strips.spread(clips, str(shown["clip_id"].iloc[query]))))
            places[query] = len(found) - 1
    return (strips.below_each_other(found) if found else None), places


def open_gallery(cell: Finished, cells: Mapping[str, Finished], gallery: int = 1) -> Clips | None:
    """The clips that an evaluation read, from its frame cache or from the files; None where neither is left."""
    corpus, frames = (cells.get(cell.inputs.get(f"{_prefix(gallery)}{role}", "")) for role in ("corpus", "frames"))
    if corpus is None and frames is None:
        return None
    settings = FramesSettings.model_validate(cell.settings.get("frames") or {})
    held = frames.folder if frames is not None else None
    return Clips(corpus.folder if corpus is not None else cell.folder, held, settings)


def gains(block: Mapping[str, Any], most: int = 8) -> dict[str, Any]:
    """The comparison that stands in the page without a script: of the first study its baseline and its last variant
    on its first set, the queries with the largest gains and losses."""
    study = block["studies"][0]
    name, variants = next(iter(study["sets"].items()))
    one = study["baseline"] if study["baseline"] in variants else next(iter(variants))
    other = next(variant for variant in reversed(variants) if variant != one)
    own = block["sets"][name]
    left, right = (own["ranks"][variants[variant]] for variant in (one, other))
    gained = [math.log2(a / b) for a, b in zip(left, right, strict=True)]
    order = sorted(range(len(gained)), key=lambda query: (-gained[query], query))
    best = [query for query in order[:most] if gained[query] > 0]
    worst = [query for query in reversed(order[-most:]) if gained[query] < 0]
    rows = [
        [{"text": own["texts"][q], "left": numbers.rank(left[q]), "right": numbers.rank(right[q])} for q in part]
        for part in (best, worst)
    ]
    counts = [sum(gain > 0 for gain in gained), sum(gain < 0 for gain in gained), sum(gain == 0 for gain in gained)]
    return {"study": study["name"], "set": name, "left": one, "right": other, "rows": rows, "counts": counts}
