"""What a model retrieves, as film strips: a few queries of the main study, chosen without regard to their rank."""

import base64
import contextlib
import io
import json
from typing import Any

import numpy as np
from PIL import Image

from clipvip.config.data import FramesSettings
from clipvip.data.clips import Clips, Frames
from clipvip.data.media.file_header import VideoError
from clipvip.results.finished import Finished, uses
from clipvip.runtime import cell_files

GALLERY = ("main", "clip_vip", "msrvtt")  # study, variant, downstream set
STRIP = 4  # frames of a film strip
HEIGHT = 96  # pixels of a film strip


def gallery(plans: list[dict[str, Any]], cells: dict[str, Finished]) -> dict[str, Any]:
    """Queries with their film strips, for the page; or what is missing."""
    study, variant, name = _shown(plans)
    rows = [row for plan in plans if plan["study"] == study for row in plan["rows"] if row["variant"] == variant]
    role = f"fine_tuned/{name}"
    keys = [use.key for use in uses({"rows": rows}) if use.role == role]
    cell = cells.get(keys[0]) if keys else None
    if cell is None or not (cell.folder / cell_files.RETRIEVED).is_file():
        return {"missing": f"retrieved clips of {variant} on {name} in the study {study}"}
    clips = _clips(cell, cells)
    queries = [
        {
            "text": query["query"],
            "rank": f"{query['rank']:g}",
            "hits": [_hit(place, hit, clips) for place, hit in enumerate(query["top"], start=1)],
        }
        for query in json.loads((cell.folder / cell_files.RETRIEVED).read_text())
    ]
    says = f"A few queries of the test split of {name}, not chosen by their rank, with the clips that {variant} (seed "
    says += (
        f"{rows[0]['seed']}, fine-tuned) puts first; time runs from left to right; the right clip has a thick border."
    )
    return {"says": says, "queries": queries}


def _shown(plans: list[dict[str, Any]]) -> tuple[str, str, str]:
    """Study, variant and set: GALLERY where a plan has it, else the first of each."""
    for plan in plans:
        of = {row["variant"] for row in plan["rows"]}
        if plan["study"] == GALLERY[0] and GALLERY[1] in of and GALLERY[2] in plan["downstream"]:
            return GALLERY
    return plans[0]["study"], plans[0]["rows"][0]["variant"], plans[0]["downstream"][0]


def _clips(cell: Finished, cells: dict[str, Finished]) -> Clips | None:
    """The clips that an evaluation read, from its frame cache or from the files; None where neither is left."""
    corpus, frames = (cells.get(cell.inputs.get(role, "")) for role in ("corpus", "frames"))
    if corpus is None and frames is None:
        return None
    settings = FramesSettings.model_validate(cell.settings.get("frames") or {})
    held = frames.folder if frames is not None else None
    return Clips(corpus.folder if corpus is not None else cell.folder, held, settings)


def _hit(place: int, hit: dict[str, Any], clips: Clips | None) -> dict[str, Any]:
    strip = None
    if clips is not None:
        with contextlib.suppress(VideoError):  # the video may be gone since
            strip = _strip(spread(clips, hit["clip_id"]))
    return {**hit, "place": place, "score": f"{hit['score']:.3f}", "strip": strip}


def spread(clips: Clips, clip_id: str) -> Frames:
    """Frames spread evenly over a clip, the first and the last among them."""
    return clips.chosen(clip_id, lambda total: np.linspace(0, total - 1, STRIP).round().astype(np.int64))


def _strip(frames: Frames) -> str:
    """Frames side by side, as a PNG in the page."""
    strip = Image.fromarray(np.concatenate(list(frames), axis=1))
    scale = HEIGHT / frames.shape[1]
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    file = io.BytesIO()
    strip.resize((round(strip.width * scale), HEIGHT), how).save(file, "PNG", optimize=True)
    return data_url("png", file.getvalue())


def data_url(kind: str, content: bytes) -> str:
    """An image inside the page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
