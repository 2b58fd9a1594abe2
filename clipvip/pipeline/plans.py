"""The plan of a study: what its tables are made from, as plain data."""

from clipvip.pipeline.grid import Grid
from clipvip.pipeline.replicates import varied
from clipvip.pipeline.study import Study
from clipvip.results import registered
from clipvip.runtime.fingerprint import fingerprint

# Modules that make what stands in a study's folder: a change in them makes it anew.
MADE_BY = (
    "results.tables",
    "results.report.figures",
    "results.report.findings",
    "results.report.page",
    "results.tracking.mirror",
)


def plan_of(grid: Grid, study: Study, noise_content: str | None) -> dict[str, object]:
    """What a study's table is made from, as plain data."""
    rows = [
        {"variant": row.variant, "seed": row.seed, "cells": {role: cell.key for role, cell in row.cells.items()}}
        for row in study.rows
    ]
    captions: dict[str, str] = {}
    for cell in grid.cells.values():
        if cell.stage == "captions":  # of several captioners the first replicate's
            captions.setdefault(cell.inputs["corpus"].key, cell.key)
    settings, experiment = study.settings, grid.experiment
    scale = experiment.published.scale if experiment.published else None
    for each, row in zip(rows, study.rows, strict=True):
        each |= {"not_run": row.not_run} if row.not_run else {}
    return {
        **({"left_out": study.left_out} if study.left_out else {}),
        "experiment": experiment.name,
        "study": study.name,
        "title": settings.title,
        "claim": settings.claim,
        "baseline": settings.baseline,
        "expect": list(settings.expect),
        "expected": registered.hashed(study.name, list(settings.expect), experiment.margins),
        "margins": experiment.margins,
        "looks": experiment.looks,
        "noise": experiment.noise,
        "noise_content": noise_content,
        "family": settings.family,
        "trend": settings.trend.model_dump(mode="json") if settings.trend else None,
        "downstream": list(study.downstream),
        "variants": list(settings.variants),
        "rows": rows,
        "varied": varied(study.rows),
        "gap": study.gap.key if study.gap else None,
        "captions": captions,
        "published": [experiment.published_in, scale] if scale else None,
        "made_by": {name: fingerprint(f"clipvip.{name}") for name in MADE_BY},
    }
