"""The studies of an experiment on one offline page: question, verdicts, tables, figure, retrieved clips, provenance."""

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from clipvip.results import study_files
from clipvip.results.finished import Finished, generated, reach, read_plan, results_root, uses
from clipvip.results.report import figures
from clipvip.results.report.findings import findings
from clipvip.results.report.gallery import data_url, gallery
from clipvip.results.report.report_tables import TABLES
from clipvip.results.study_results import Study
from clipvip.runtime.files import write_whole

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
    page = pages.get_template("page.html.j2").render(
        title=f"CLIP-ViP as a laboratory: {', '.join(dict.fromkeys(plan['experiment'] for plan in plans))}",
        caution=SMALL_WORLD if any(generated(folder) for folder in folders) else REAL_DATA,
        studies=[_study(folder) for folder in folders],
        gallery=gallery(plans, cells),
        not_run=_not_run(folders, plans, cells),
        times=_times(cells),
        provenance=_provenance(cells),
        cells=[
            {"name": f"{cell.stage}/{key}", **{k: cell.receipt.get(k) for k in ("fingerprint", "started", "seconds")}}
            for key, cell in sorted(cells.items(), key=lambda item: (item[1].stage, item[0]))
        ],
    )
    write_whole(out, page)


# -- studies -------------------------------------------------------------------------------------------


def _study(folder: Path) -> dict[str, Any]:
    plan, missing, tables = read_plan(folder), [], []
    for name, (shown, asked) in TABLES.items():
        if (folder / name).is_file():
            table = shown(folder)
            tables += [table] if table["rows"] else []  # nothing expected: no table of verdicts
        elif not asked or plan.get(asked):
            missing.append(f"{name} (the study's tables are not written yet)")
    figure, gaze = folder / study_files.FIGURE, folder / study_files.GAZE
    if not figure.is_file():
        missing.append(f"{study_files.FIGURE} (the study's notebook has not run yet)")
    return {
        "name": plan["study"],
        "title": plan["title"],
        "claim": plan.get("claim"),
        "missing": missing,
        "tables": tables,
        "figure": data_url("svg+xml", figure.read_bytes()) if figure.is_file() else None,
        "forest": _forest(folder) if plan["baseline"] and (folder / study_files.TESTS).is_file() else None,
        "gaze": data_url("svg+xml", gaze.read_bytes()) if gaze.is_file() else None,
        "findings": findings(folder) if (folder / study_files.VERDICTS).is_file() else None,
    }


def _forest(folder: Path) -> str:
    """The forest plot, drawn from the tables that the page shows."""
    with tempfile.TemporaryDirectory() as place:
        svg, _ = figures.save(figures.forest(folder), Path(place), "forest")
        return data_url("svg+xml", svg.read_bytes())


# -- what is not here ----------------------------------------------------------------------------------


def _not_run(folders: list[Path], plans: list[dict[str, Any]], cells: dict[str, Finished]) -> list[tuple[str, str]]:
    """(cell and who asks for it, why it is not there) of every cell that is not; studies of the experiment left out."""
    asked: dict[str, tuple[list[str], str]] = {}
    for folder, plan in zip(folders, plans, strict=True):
        reasons = Study({**plan, "results": results_root(folder)}).failures
        for use in uses(plan):
            if use.key not in cells:
                of = f", {use.variant}, seed {use.seed}" if use.variant is not None else ""
                who, _ = asked.setdefault(f"{use.stage}/{use.key}", ([], reasons.get(use.key, "not made yet")))
                who.append(f"{plan['study']}{of} ({use.role})")
    found = [(f"{name}: {'; '.join(who)}", why) for name, (who, why) in asked.items()]
    for plan in plans:
        lacking = (plan.get("left_out") or {}) | {r["variant"]: r["not_run"] for r in plan["rows"] if r.get("not_run")}
        found += [(f"{plan['study']}: {name}", f"not run: no data ({why})") for name, why in lacking.items()]
    given, beside = (
        {folder.resolve() for folder in folders},
        sorted(folders[0].resolve().parent.glob(f"*/{study_files.PLAN}")),
    )
    found += [(f"the study {path.parent.name}", "not on this page") for path in beside if path.parent not in given]
    return found


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
