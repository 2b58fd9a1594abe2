"""The studies of an experiment on one offline page: first screen, studies, queries, retrieved clips, provenance."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from clipvip.results import study_files
from clipvip.results.finished import Finished, generated, reach, read_plan, results_root, uses
from clipvip.results.report import durations, overview, queries, score_table, terms, variants
from clipvip.results.report.findings import sentences
from clipvip.results.report.gallery import gallery
from clipvip.results.report.inline_svg import inline
from clipvip.results.report.report_tables import TABLES
from clipvip.results.report.strips import data_url
from clipvip.results.study_results import Study
from clipvip.results.tracking.links import links
from clipvip.runtime.files import write_whole

SMALL_WORLD = (
    "These numbers come from a small generated world. They are never comparable with the paper's: "
    "only rows of one table may be compared with each other."
)
REAL_DATA = "Numbers are comparable with published ones only where data, splits and protocol are the same."
ALWAYS = ("interval", "margin", "cannot tell", "replicate")  # words of every page with claims
Cells = Mapping[str, Finished]


def make(folders: list[Path], out: Path) -> None:
    """Write the page of these study folders to `out`. A missing piece is named on the page, not an error.

    Raises ValueError where a folder is no study.
    """
    if not folders:
        raise ValueError("report: give at least one study folder")
    folders = overview.in_order(folders)
    plans = [read_plan(folder) for folder in folders]
    cells = reach(results_root(folders[0]), [use.key for plan in plans for use in uses(plan)])
    compared, glossary = queries.made(plans, cells), terms.Glossary()
    claims = overview.claims(folders, plans)
    # Whatever a cell, a table or an annotation file says is text on the page, never markup.
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    pages.filters["coded"] = _coded
    page = pages.get_template("page.html.j2").render(
        experiment=", ".join(dict.fromkeys(plan["experiment"] for plan in plans)),
        papers=any(plan.get("claim") for plan in plans),
        caution=SMALL_WORLD if any(generated(folder) for folder in folders) else REAL_DATA,
        facts=overview.facts(plans, cells),
        claims=claims,
        terms=glossary.first(_words(claims)),
        studies=[_study(folder, plan, cells, glossary, out) for folder, plan in zip(folders, plans, strict=True)],
        compared=compared,
        gains=queries.gains(compared["block"]) if compared else None,
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


def _coded(text: str) -> Markup:
    """What stands between backticks as code."""
    parts = [
        escape(part) if place % 2 == 0 else Markup("<code>{}</code>").format(part)
        for place, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def _words(claims: Mapping[str, Any]) -> list[str]:
    return ["left, right", *terms.of_metrics(claims["metrics"]), *ALWAYS] if claims["groups"] else []


# -- studies -------------------------------------------------------------------------------------------


def _study(folder: Path, plan: Mapping[str, Any], cells: Cells, glossary: terms.Glossary, out: Path) -> dict[str, Any]:
    missing, tables = [], []
    for name, (shown, asked) in TABLES.items():
        if (folder / name).is_file():
            table = shown(folder)
            tables += [table] if table["rows"] else []  # nothing expected: no table of verdicts
        elif not asked or plan.get(asked):
            missing.append(f"{name} (the study's tables are not written yet)")
    scores = score_table.made(folder, plan) if (folder / study_files.SUMMARY).is_file() else None
    if scores is None:
        missing.append(f"{study_files.SUMMARY} (the study's tables are not written yet)")
    if not (folder / study_files.FIGURE).is_file():
        missing.append(f"{study_files.FIGURE} (the study's notebook has not run yet)")
    told = variants.described(plan, cells)
    words = ["proxies"] * any("proxies" in each for each in told.values())
    words += ["objective"] * any("objective" in each for each in told.values())
    return {
        "name": plan["study"],
        "title": plan["title"],
        "claim": plan.get("claim"),
        "variants": told,
        "baseline": plan["baseline"],
        "terms": glossary.first(words + terms.of_metrics(scores["metrics"] if scores else [])),
        "missing": missing,
        "scores": scores,
        "tables": tables,
        "figure": _figure(folder / study_files.FIGURE),
        "gaze": _figure(folder / study_files.GAZE),
        "findings": sentences(folder) if (folder / study_files.VERDICTS).is_file() else [],
        "files": _files(folder, plan, out),
        "mlflow": links(folder)[:1],  # its claims are one click further
    }


def _figure(path: Path) -> dict[str, str] | None:
    """A figure as a drawing of the page; as a picture where it is no plain drawing."""
    if not path.is_file():
        return None
    drawn = inline(path.read_text(encoding="utf-8", errors="replace"), f"{path.parent.name}-{path.stem}")
    return {"svg": drawn} if drawn else {"picture": data_url("svg+xml", path.read_bytes())}


def _files(folder: Path, plan: Mapping[str, Any], out: Path) -> list[tuple[str, str]]:
    """(name, address from the page) of the files of a study that are there."""
    notebook = folder.parents[1] / "notebooks" / f"{plan['study']}.ipynb"
    names = (study_files.TABLE, study_files.SUMMARY, study_files.TESTS, study_files.VERDICTS)
    there = [path for path in (*(folder / name for name in names), notebook) if path.is_file()]
    return [(path.name, quote(os.path.relpath(path.resolve(), out.parent.resolve()))) for path in there]


# -- what is not here ----------------------------------------------------------------------------------


def _not_run(folders: Sequence[Path], plans: Sequence[dict[str, Any]], cells: Cells) -> list[tuple[str, str]]:
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
    given = {folder.resolve() for folder in folders}
    beside = sorted(folders[0].resolve().parent.glob(f"*/{study_files.PLAN}"))
    found += [(f"the study {path.parent.name}", "not on this page") for path in beside if path.parent not in given]
    return found


# -- how it was made -----------------------------------------------------------------------------------


def _times(cells: Cells) -> list[dict[str, Any]]:
    seconds: dict[str, list[float]] = defaultdict(list)
    for cell in cells.values():
        seconds[cell.stage].append(float(cell.receipt["seconds"]))
    every = [second for each in seconds.values() for second in each]
    stages = {**seconds, "all": every} if every else seconds
    return [
        {"stage": stage, "cells": len(each), "total": durations.said(sum(each)), "longest": durations.said(max(each))}
        for stage, each in stages.items()
    ]


def _provenance(cells: Cells) -> list[tuple[str, str]]:
    """Commits, versions and source fingerprints; more than one value where cells were made at different times."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for cell in cells.values():
        values["commit"][str(cell.receipt.get("commit") or "unknown")] = None
        for name, version in cell.receipt.get("versions", {}).items():
            values[name][str(version)] = None
        values[f"source fingerprint of {cell.stage}"][str(cell.receipt["fingerprint"])] = None
    return [(name, ", ".join(each)) for name, each in sorted(values.items())]
