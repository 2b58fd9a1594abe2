"""What a model retrieves, as film strips: a few queries of the main study, chosen without regard to their rank."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from clipvip.data.clips import Clips
from clipvip.data.media.file_header import VideoError
from clipvip.results import numbers
from clipvip.results.finished import Finished, uses
from clipvip.results.report import strips
from clipvip.results.report.queries import open_gallery
from clipvip.runtime import cell_files

GALLERY = ("main", "clip_vip", "msrvtt")  # study, variant, downstream set


def gallery(plans: Sequence[dict[str, Any]], cells: Mapping[str, Finished]) -> dict[str, Any]:
    """Queries with their film strips, for the page; or what is missing."""
    study, variant, name = _shown(plans)
    rows = [row for plan in plans if plan["study"] == study for row in plan["rows"] if row["variant"] == variant]
    role = f"fine_tuned/{name}"
    keys = [use.key for use in uses({"rows": rows}) if use.role == role]
    cell = cells.get(keys[0]) if keys else None
    if cell is None or not (cell.folder / cell_files.RETRIEVED).is_file():
        return {"missing": f"retrieved clips of {variant} on {name} in the study {study}"}
    clips = open_gallery(cell, cells)
    queries = [
        {
            "text": query["query"],
            "rank": numbers.rank(query["rank"]),
            "hits": [_hit(place, hit, clips) for place, hit in enumerate(query["top"], start=1)],
        }
        for query in json.loads((cell.folder / cell_files.RETRIEVED).read_text())
    ]
    says = f"A few queries of the test split of {name}, not chosen by their rank, with the clips that {variant} (seed "
    says += (
        f"{rows[0]['seed']}, fine-tuned) puts first; time runs from left to right; the right clip has a thick border."
    )
    return {"says": says, "queries": queries}


def _shown(plans: Sequence[dict[str, Any]]) -> tuple[str, str, str]:
    """Study, variant and set: GALLERY where a plan has it, else the first of each."""
    for plan in plans:
        of = {row["variant"] for row in plan["rows"]}
        if plan["study"] == GALLERY[0] and GALLERY[1] in of and GALLERY[2] in plan["downstream"]:
            return GALLERY
    return plans[0]["study"], plans[0]["rows"][0]["variant"], plans[0]["downstream"][0]


def _hit(place: int, hit: dict[str, Any], clips: Clips | None) -> dict[str, Any]:
    strip = None
    if clips is not None:
        with contextlib.suppress(VideoError):  # the video may be gone since
            strip = strips.strip(strips.spread(clips, hit["clip_id"]))
    return {**hit, "place": place, "score": f"{hit['score']:.3f}", "strip": strip}
