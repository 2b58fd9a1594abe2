"""Figures of the studies, one function a kind, drawn from the files of a study folder; no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from clipvip.results import study_files
from clipvip.results.finished import find, reach, read_plan, results_root
from clipvip.results.report import panels
from clipvip.results.report.panels import STYLE, WIDTH
from clipvip.results.study_folder import dot_metrics, read
from clipvip.runtime import cell_files
from clipvip.runtime.files import written


def curves(folder: Path) -> Figure:
    """Zero-shot R@5 on val along post-pretraining, a panel a family of variants; below, fine-tuned scores on test."""
    metric, rows, plan = "val/t2v/R@5", read(folder, study_files.CURVES), read_plan(folder)
    names = list(dict.fromkeys(row["variant"] for row in plan["rows"]))
    drawn = [name for name in names if name in set(rows["variant"])]
    families = {name: panels.family(name, names) for name in drawn}
    groups = list(dict.fromkeys(group for group, _ in families.values())) or [""]
    kinds = list(dict.fromkeys(kind for _, kind in families.values()))
    heights = (2.6, 0.9 + 0.2 * len(names))
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(heights) + 0.3), layout="constrained")
        figure.suptitle(plan["title"])
        upper, lower = panels.parts(figure, heights)
        axes = upper.subplots(1, len(groups), sharey=True, squeeze=False)[0]
        for axis, group in zip(axes, groups, strict=True):
            for name in (name for name in drawn if families[name][0] == group):
                kind = families[name][1]
                panels.curve(axis, rows[rows["variant"] == name], metric, kind, kinds.index(kind))
            axis.set(title=group or plan.get("family", ""), xlabel="post-pretraining step")
            axis.grid(axis="y")
        axes[0].set_ylabel("zero-shot R@5 on val (%)")
        axes[0].set_ylim(bottom=0)  # last: it ends the scaling to what all panels hold
        if drawn:
            axes[-1].legend(frameon=False, title="variant")
        else:
            axes[0].text(0.5, 0.5, "no validation along training", ha="center", transform=axes[0].transAxes)
        panels.dot_panels(lower, folder, plan, dot_metrics(folder)[:2])
        _note(lower)
    return figure


def dots(folder: Path) -> Figure:
    """Dot and 95 % interval of every variant, a panel a metric, first those of the expectations; baseline as a line."""
    plan, summary, metrics = read_plan(folder), read(folder, study_files.SUMMARY), dot_metrics(folder)[:4]
    with rc_context(STYLE):
        rows = (len(metrics) + 1) // 2
        figure = Figure(figsize=(WIDTH, 0.6 + rows * (0.7 + 0.24 * len(summary))), layout="constrained")
        figure.suptitle(plan["title"])
        for row, part in enumerate(panels.parts(figure, [1.0] * max(rows, 1))):
            panels.dot_panels(part, folder, plan, metrics[2 * row : 2 * row + 2])
        _note(part)
    return figure


def bars(folder: Path, ends: Sequence[str] = ("t2v/R@1", "t2v/R@5")) -> Figure:
    """Bars of the variants side by side for every downstream set, with 95 % intervals and the ceiling as a tick."""
    plan, summary = read_plan(folder), read(folder, study_files.SUMMARY).set_index("variant")
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        figure.suptitle(plan["title"])
        axes = figure.subplots(1, len(ends), squeeze=False)[0]
        width, sets = 0.8 / len(summary), plan["downstream"]
        places = np.arange(len(sets))
        for axis, end in zip(axes, ends, strict=True):
            for index, (variant, row) in enumerate(summary.iterrows()):
                at = places + (index - (len(summary) - 1) / 2) * width
                means = np.array([row.get(f"{name}/{end}", np.nan) for name in sets], dtype=float)
                spans = np.array([panels.span(row, f"{name}/{end}") for name in sets], dtype=float).T
                look: dict[str, Any] = {"color": panels.colour(index), "hatch": ("", "///", "...", "xx")[index % 4]}
                axis.bar(at, means, width, label=str(variant), edgecolor="white", **look)
                axis.errorbar(at, means, spans, fmt="none", ecolor="black", elinewidth=1, capsize=2)
            ceilings = np.array([panels.ceiling(summary, f"{name}/{end}") for name in sets], dtype=float)
            if np.isfinite(ceilings).any():
                axis.hlines(ceilings, places - 0.42, places + 0.42, color="#666666", ls=":", label="perfect reader")
            axis.set(title=end.replace("t2v/", "text to video "), ylabel=f"{end.split('/')[-1]} on test (%)")
            axis.set_xticks(places, sets)
            axis.set_xlabel("downstream set")
            axis.grid(axis="y")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def forest(folder: Path, score: str = "R@5") -> Figure:
    """Differences of every variant to the baseline with their 95 % intervals, a panel a set; grey: the margin."""
    plan, rows = read_plan(folder), read(folder, study_files.TESTS)
    rows = rows[(rows["when"] == "fine_tuned") & rows["metric"].str.endswith(f"/{score}")]
    with rc_context(STYLE):
        count = max(rows["variant"].nunique(), 1)
        figure = Figure(figsize=(WIDTH, 1.2 + 0.24 * count), layout="constrained")
        figure.suptitle(f"Differences to {plan['baseline']}")
        sets = plan["downstream"]
        axes = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, sets, strict=True):
            panels.forest(axis, rows[rows["set"] == name], f"{name}, text to video {score} (points)")
        figure.supxlabel("bar: 95 % interval; grey: no difference that matters", fontsize=7, color="#444444")
    return figure


def heatmap(folder: Path) -> Figure:
    """NMI of every language source against every downstream set, with its interval."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
        figure.suptitle(read_plan(folder)["title"])
        panels.heatmap(figure.subplots(), read(folder, study_files.GAP))
    return figure


def projection(folder: Path) -> Figure:
    """Two principal axes of the text features, a panel a language source, the downstream sets in grey behind."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.2), layout="constrained")
        figure.suptitle(read_plan(folder)["title"])
        panels.projection(figure, _points(folder))
    return figure


def gap(folder: Path) -> Figure:
    """The domain-gap study in one figure: `heatmap`, the retrieval that follows, and `projection`."""
    plan, summary = read_plan(folder), read(folder, study_files.SUMMARY)
    with rc_context(STYLE):
        heights = (max(2.8, 1.0 + 0.3 * len(summary)), 1.9)
        figure = Figure(figsize=(WIDTH, sum(heights) + 0.3), layout="constrained")
        figure.suptitle(plan["title"])
        upper, lower = panels.parts(figure, heights)
        left, right = upper.subfigures(1, 2, width_ratios=(3, 4))
        panels.heatmap(left.subplots(), read(folder, study_files.GAP))
        panels.dot_panels(right, folder, plan, dot_metrics(folder)[:1])
        _note(right, lines=2)
        panels.projection(lower, _points(folder))
    return figure


def gaze(folder: Path, variant: str = "clip_vip", downstream: str = "msrvtt") -> Figure | None:
    """Where the proxies of a fine-tuned variant look in a few test clips; None where no such evaluation tells."""
    plan = read_plan(folder)
    keys = (row["cells"].get(f"fine_tuned/{downstream}") for row in plan["rows"] if row["variant"] == variant)
    cells = reach(results_root(folder), filter(None, keys))
    path = next(
        (cell.folder / cell_files.GAZE for cell in cells.values() if (cell.folder / cell_files.GAZE).is_file()), None
    )
    if path is None:
        return None
    with np.load(path, allow_pickle=False) as found, rc_context(STYLE):
        clip_ids, looks = (
            found["clip_ids"].tolist(),
            {"all proxies": found["proxies"].mean(axis=1), "read": found["read"]},
        )
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        figure.suptitle(f"Where the proxies look: {variant} on {downstream}")
        parts = figure.subfigures(1, len(clip_ids), squeeze=False)[0]
        for row, (part, clip_id) in enumerate(zip(parts, clip_ids, strict=True)):
            own = {name: weights[row] for name, weights in looks.items()}
            panels.gaze(part, found["frames"][row], own, str(clip_id))
        note = "attention over patches, mean over heads, bright is much; percent: the frame's share in the clip"
        figure.supxlabel(note, fontsize=7, color="#444444")
    return figure


def save(figure: Figure, folder: Path, name: str = "figure") -> list[Path]:
    """Write <name>.svg and <name>.png into the folder, byte for byte the same for the same figure; their paths."""
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    with rc_context(STYLE):
        for path, undated in zip(paths, ("Date", "Software"), strict=True):
            with written(path) as beside:
                figure.savefig(beside, metadata={undated: None})
    return paths


def _points(folder: Path) -> pd.DataFrame:
    """points.csv of the study's domain-gap cell: source, kind ("source" or "downstream"), x, y."""
    key = read_plan(folder)["gap"]
    if not key:
        raise ValueError(
            f"{folder / study_files.PLAN}: the study has no domain-gap cell; set `gap: true` in studies.yaml"
        )
    return read(find(results_root(folder), key).folder, cell_files.POINTS)


def _note(part: Any, lines: int = 1) -> None:
    """What the marks of a dot panel mean."""
    part.supxlabel(panels.NOTE.format(" " if lines == 1 else "\n"), fontsize=7, color="#444444")
