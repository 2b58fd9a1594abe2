"""The studies of an experiment on one offline page: question, verdicts, tables, figure, retrieved clips, provenance."""

import base64
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from PIL import Image

from clipvip.figures import main_metrics
from clipvip.findings import findings
from clipvip.frames import FrameCache
from clipvip.receipts import Finished, generated, reach, read_plan, results_root, uses

GALLERY = ("main", "clip_vip", "msrvtt")  # study, variant, downstream set
# tables that a study has where its plan says so
OPTIONAL = {"gap.csv": "gap", "trends.csv": "trend", "published.csv": "published"}
STRIP = 4  # frames of a film strip
HEIGHT = 96  # pixels of a film strip
SMALL_WORLD = (
    "These numbers come from a small generated world. They are never comparable with the paper's: "
    "only rows of one table may be compared with each other."
)
REAL_DATA = "Numbers are comparable with published ones only where data, splits and protocol are the same."


def make(folders: list[Path], out: Path) -> None:
    """Write the page of these study folders to `out`. A missing piece is named on the page, not an error.

    Raises ValueError where a folder is no study.
    """
    if not folders:
        raise ValueError("report: give at least one study folder")
    plans = [read_plan(folder) for folder in folders]
    cells = reach(results_root(folders[0]), [use.key for plan in plans for use in uses(plan)])
    # Whatever a cell, a table or an annotation file says is text on the page, never markup.
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = pages.get_template("report.html.j2").render(
        title=f"CLIP-ViP as a laboratory: {', '.join(dict.fromkeys(plan['experiment'] for plan in plans))}",
        caution=SMALL_WORLD if any(generated(folder) for folder in folders) else REAL_DATA,
        studies=[_study(folder) for folder in folders],
        gallery=_gallery(plans, cells),
        times=_times(cells),
        provenance=_provenance(cells),
        cells=[
            {"name": f"{cell.stage}/{key}", **{k: cell.receipt.get(k) for k in ("fingerprint", "started", "seconds")}}
            for key, cell in sorted(cells.items(), key=lambda item: (item[1].stage, item[0]))
        ],
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")


# -- studies -------------------------------------------------------------------------------------------


def _study(folder: Path) -> dict[str, Any]:
    plan, missing, tables = read_plan(folder), [], []
    readers = {"verdicts": _verdicts, "summary": _summary, "gap": _gap, "trends": _trends, "published": _published}
    for name, read in ((f"{name}.csv", read) for name, read in readers.items()):
        if (folder / name).is_file():
            tables.append(read(folder))
        elif name not in OPTIONAL or plan.get(OPTIONAL[name]):
            missing.append(f"{name} (the study's tables are not written yet)")
    figure = folder / "figure.svg"
    if not figure.is_file():
        missing.append("figure.svg (the study's notebook has not run yet)")
    return {
        "name": plan["study"],
        "title": plan["title"],
        "claim": plan.get("claim"),
        "missing": missing,
        "tables": tables,
        "figure": _data("svg+xml", figure.read_bytes()) if figure.is_file() else None,
        "findings": findings(folder) if (folder / "verdicts.csv").is_file() else None,
    }


def _verdicts(folder: Path) -> dict[str, Any]:
    rows = [
        [
            row["expect"],
            {"text": row["verdict"]},
            {"text": _number(row["left"])},
            {"text": _number(row["right"])},
            {"text": _number(row["difference"], "+"), "interval": _interval(row["low"], row["high"])},
            {"text": "" if pd.isna(row["note"]) else row["note"]},
        ]
        for _, row in pd.read_csv(folder / "verdicts.csv").iterrows()
    ]
    heads = ["expected", "verdict", "left", "right", "difference (95 % interval)", "note"]
    return {"caption": "What the paper leads one to expect, tested", "heads": heads, "rows": rows}


def _summary(folder: Path) -> dict[str, Any]:
    summary, metrics = pd.read_csv(folder / "summary.csv"), main_metrics(folder)
    rows = [
        [
            row["variant"],
            *(
                {"text": _number(row[m]), "interval": _interval(row.get(f"{m}/low"), row.get(f"{m}/high"))}
                for m in metrics
            ),
        ]
        for _, row in summary.iterrows()
    ]
    caption = "Mean over seeds with 95 % interval; recall and order in percent, fine-tuned unless zero-shot is said"
    return {"caption": caption, "heads": ["variant", *metrics], "rows": rows}


def _gap(folder: Path) -> dict[str, Any]:
    rows = [
        [
            f"{row['source']} against {row['downstream']}",
            {"text": _number(row["nmi"]), "interval": _interval(row["low"], row["high"])},
        ]
        for _, row in pd.read_csv(folder / "gap.csv").iterrows()
    ]
    return {"caption": "Language domain gap: NMI, 0 (alike) to 1 (apart)", "heads": ["texts", "NMI"], "rows": rows}


def _trends(folder: Path) -> dict[str, Any]:
    rows = [
        [
            f"{row['line']}: {row['metric']}",
            {"text": row["variants"]},
            {"text": _number(row["per_doubling"], "+"), "interval": _interval(row["low"], row["high"])},
        ]
        for _, row in pd.read_csv(folder / "trends.csv").iterrows()
    ]
    caption = "Slope of a straight line, points for each doubling"
    return {"caption": caption, "heads": ["line", "variants", "per doubling"], "rows": rows}


def _published(folder: Path) -> dict[str, Any]:
    given = pd.read_csv(folder / "published.csv")
    ours = pd.read_csv(folder / "summary.csv").set_index("variant")
    rows = []
    for _, row in given.iterrows():
        known = row["variant"] in ours.index and row["metric"] in ours
        own = ours.loc[row["variant"], row["metric"]] if known else None
        kind = "transductive" if row["transductive"] else ""
        cells = [row["metric"], kind, _number(row["published"]), _number(own), f"{row['source']} ({row['standing']})"]
        rows.append([row["model"], *({"text": cell} for cell in cells)])
    heads = ["model", "metric", "", "published", "here", "read in"]
    return {"caption": "Figures that papers give, percent; never ours", "heads": heads, "rows": rows}


def _number(value: Any, sign: str = "") -> str:
    """Percent and points with one digit, what is below 1 with three; a dash for what is not there."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:{sign}.{3 if abs(value) < 1 and value != 0 else 1}f}"


def _interval(low: Any, high: Any) -> str:
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return ""
    return f"{_number(low)} to {_number(high)}"


# -- what is retrieved ---------------------------------------------------------------------------------


def _gallery(plans: list[dict[str, Any]], cells: dict[str, Finished]) -> dict[str, Any]:
    study, variant, name = GALLERY
    rows = [row for plan in plans if plan["study"] == study for row in plan["rows"] if row["variant"] == variant]
    role = f"fine_tuned/{name}"
    keys = [use.key for use in uses({"rows": rows}) if use.role == role]
    cell = cells.get(keys[0]) if keys else None
    if cell is None or not (cell.folder / "retrieved.json").is_file():
        return {"missing": f"retrieved clips of {variant} on {name} in the study {study}"}
    frames = cells.get(cell.inputs.get("frames", ""))
    cache = FrameCache.open(frames.folder) if frames is not None else None
    queries = [
        {
            "text": query["query"],
            "rank": f"{query['rank']:g}",
            "hits": [_hit(place, hit, cache) for place, hit in enumerate(query["top"], start=1)],
        }
        for query in json.loads((cell.folder / "retrieved.json").read_text())
    ]
    says = f"A few queries of the test split of {name}, not chosen by their rank, with the clips that {variant} (seed "
    says += (
        f"{rows[0]['seed']}, fine-tuned) puts first; time runs from left to right; the right clip has a thick border."
    )
    return {"says": says, "queries": queries}


def _hit(place: int, hit: dict[str, Any], cache: FrameCache | None) -> dict[str, Any]:
    strip = None
    if cache is not None and hit["clip_id"] in cache.position:
        strip = _strip(cache, cache.position[hit["clip_id"]])
    return {**hit, "place": place, "score": f"{hit['score']:.3f}", "strip": strip}


def _strip(cache: FrameCache, position: int) -> str:
    """Frames spread evenly over the clip, side by side, as a PNG in the page."""
    indices = np.linspace(0, cache.count(position) - 1, STRIP).round().astype(np.int64)
    frames = cache.read(position, indices)
    strip = Image.fromarray(np.concatenate(list(frames), axis=1))
    scale = HEIGHT / frames.shape[1]
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    file = io.BytesIO()
    strip.resize((round(strip.width * scale), HEIGHT), how).save(file, "PNG", optimize=True)
    return _data("png", file.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


# -- how it was made -----------------------------------------------------------------------------------


def _times(cells: dict[str, Finished]) -> list[dict[str, Any]]:
    seconds: dict[str, list[float]] = defaultdict(list)
    for cell in cells.values():
        seconds[cell.stage].append(float(cell.receipt["seconds"]))
    rows = [
        {"stage": stage, "cells": len(each), "total": _duration(sum(each)), "longest": _duration(max(each))}
        for stage, each in seconds.items()
    ]
    every = [second for each in seconds.values() for second in each]
    if every:
        rows.append(
            {"stage": "all", "cells": len(every), "total": _duration(sum(every)), "longest": _duration(max(every))}
        )
    return rows


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _provenance(cells: dict[str, Finished]) -> list[tuple[str, str]]:
    """Commits, versions and source fingerprints; more than one value where cells were made at different times."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for cell in cells.values():
        values["commit"][str(cell.receipt.get("commit") or "unknown")] = None
        for name, version in cell.receipt.get("versions", {}).items():
            values[name][str(version)] = None
        values[f"source fingerprint of {cell.stage}"][str(cell.receipt["fingerprint"])] = None
    return [(name, ", ".join(each)) for name, each in sorted(values.items())]
