"""The page of a search: a film strip for each video that fits, with the similarity of its frames; no script."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader

from clipvip.corpora.own.look import printable
from clipvip.data.media.file_header import VideoError
from clipvip.evaluation.search.index import Hit, Index
from clipvip.results.report.strips import data_url
from clipvip.results.search.strips import Cell, cells, strip
from clipvip.runtime.files import write_whole

# Names of files and whatever is searched for are text on the page, never markup.
PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)


@dataclass(frozen=True)
class Links:
    """Where a page finds what a hit shows; None where there is nothing."""

    strip: Callable[[Hit, list[Cell]], str | None]
    video: Callable[[Hit], str | None]
    like: Callable[[Hit], str | None] = lambda hit: None  # a search for videos like this one


def render(
    index: Index, wanted: str, hits: Sequence[Hit], links: Links, *, form: str | None = None, top: int = 10
) -> str:
    """The page; `form`: what stands in the field to search anew, where the page can be asked."""
    return PAGES.get_template("page.html.j2").render(
        folder=printable(str(index.folder)),
        wanted=wanted,
        hits=[_hit(place, hit, links) for place, hit in enumerate(hits, start=1)],
        videos=index.videos,
        unreadable=[(printable(path), reason) for path, reason in index.unreadable],
        form=form,
        top=top,
    )


def _hit(place: int, hit: Hit, links: Links) -> dict[str, Any]:
    shown = cells(hit)
    scores = [moment.score for moment in hit.frames]
    low, span = min(scores), max(max(scores) - min(scores), 1e-9)
    return {
        "place": place,
        "path": printable(hit.path),
        "score": f"{hit.score:.3f}",
        "moment": clock(hit.moment.seconds),
        "strip": links.strip(hit, shown),
        "video": links.video(hit),
        "like": links.like(hit),
        "cells": [
            {
                "seconds": clock(cell.moment.seconds),
                "score": f"{cell.moment.score:.3f}",
                "share": round(100 * (cell.moment.score - low) / span),
                "best": cell.best,
            }
            for cell in shown
        ],
    }


def clock(seconds: float) -> str:
    """Minutes and seconds: 72.4 -> 1:12.4."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def write(index: Index, wanted: str, hits: Sequence[Hit], out: Path) -> None:
    """The page as one file that reads offline; the videos themselves are linked where they lie."""

    def shown(hit: Hit, chosen: list[Cell]) -> str | None:
        try:
            return data_url("jpeg", strip(index.folder / hit.path, [cell.moment.seconds for cell in chosen]))
        except VideoError:
            return None

    def linked(hit: Hit) -> str:
        relative = os.path.relpath((index.folder / hit.path).resolve(), out.parent.resolve())
        return f"{quote(os.fsencode(relative))}#t={hit.moment.seconds:.1f}"

    write_whole(out, render(index, wanted, hits, Links(shown, linked)))
