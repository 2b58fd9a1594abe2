"""Panels that the figures are put together from: axes in, marks on them; no files but the study's tables.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; markers or hatches say the same again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipvip.results import numbers, study_files
from clipvip.results.study_folder import read

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "figure.titlesize": 11,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "svg.hashsalt": "clipvip",
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
}
ON_BRIGHT, ON_DARK = "#010101", "#fefefe"  # ink on coloured cells: not the paper's own, which the page may turn dark
WIDTH = 7.2  # inches, a double column
NOTE = "square and dashed line: the baseline;{}bar: 95 % interval; tick: one seed"
DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}
for _name, _words in list(DIRECTIONS.items()):
    DIRECTIONS |= {f"{_name}_dsl": f"{_words}, transductive", f"{_name}_qb": f"{_words}, transductive (QB-Norm)"}
    DIRECTIONS |= {f"{_name}_any": f"{_words}, any right answer", f"{_name}_all": f"{_words}, all right answers"}


def label(metric: str) -> str:
    """A metric's name for people, with its unit: `msrvtt/t2v/R@5` -> `msrvtt, text to video R@5 (%)`."""
    parts = metric.split("/")
    if parts[0] == "nmi":
        return f"NMI with {parts[1]} (0 to 1)"
    where = parts[0] + (" zero-shot" if "zero_shot" in parts else "") + (" ceiling" if "ceiling" in parts else "")
    if parts[-1] == "order":
        return f"{where}, order (%, chance 50)"
    unit = "%" if parts[-1].startswith("R@") else "log2 rank" if parts[-1] == "log2R" else "rank"
    return f"{where}, {DIRECTIONS.get(parts[-2], parts[-2])} {parts[-1]} ({unit})"


def parts(figure: Figure, heights: Sequence[float]) -> list[Any]:
    """The figure cut into parts of these relative heights, from top to bottom."""
    cut: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    return list(cut[:, 0])


def colour(index: int) -> str:
    """The colour of the index-th thing."""
    return COLOURS[index % len(COLOURS)]


def family(name: str, names: Sequence[str]) -> tuple[str, str]:
    """`proxies_small` beside `small` is the family `proxies`, kind `small`; a name of its own has no family."""
    for other in names:
        if name.endswith(f"_{other}"):
            return name.removesuffix(f"_{other}"), other
    return "", name


def span(row: Any, metric: str) -> tuple[float, float]:
    """Lengths of the interval below and above the mean; 0 where it has none."""
    mean, low, high = (float(row.get(metric + end, np.nan)) for end in ("", "/low", "/high"))
    return (0.0, 0.0) if np.isnan(low) or np.isnan(high) else (max(mean - low, 0.0), max(high - mean, 0.0))


def ceiling(summary: pd.DataFrame, metric: str) -> float:
    """What a perfect reader would score; NaN where nothing says so."""
    name, _, end = metric.partition("/")
    column = f"{name}/ceiling/{end.removeprefix('zero_shot/')}"
    return float(summary[column].mean()) if column in summary.columns else float("nan")


def curve(axis: Axes, rows: pd.DataFrame, metric: str, name: str, index: int) -> None:
    """Mean over seeds as a marked line, every seed as a thin one."""
    look: dict[str, Any] = {"color": colour(index), "marker": MARKERS[index % len(MARKERS)], "ms": 4}
    mean = rows.groupby("step")[metric].mean()
    axis.plot(mean.index.to_numpy(), mean.to_numpy(), label=name, **look)
    for _, one in rows.groupby("seed"):
        axis.plot(one["step"].to_numpy(), one[metric].to_numpy(), color=look["color"], lw=0.6, alpha=0.5)


def dot_panels(part: Any, folder: Path, plan: dict[str, Any], metrics: Sequence[str]) -> None:
    """Panels side by side in a part of a figure, variants from top to bottom; a metric without a column has none."""
    summary, table = read(folder, study_files.SUMMARY), read(folder, study_files.TABLE)
    metrics = [metric for metric in metrics if metric in summary.columns and metric in table.columns]
    axes = part.subplots(1, max(len(metrics), 1), sharey=True, squeeze=False)[0]
    places = np.arange(len(summary))
    for axis, metric in zip(axes, metrics, strict=False):
        spans = np.array([span(row, metric) for _, row in summary.iterrows()], dtype=float).T
        for index, variant in enumerate(summary["variant"]):
            seeds = table.loc[table["variant"] == variant, metric]
            axis.plot(seeds, [index] * len(seeds), "|", color="#888888", ms=7, zorder=1)
        isbase = (summary["variant"] == plan["baseline"]).to_numpy()
        for chosen, colour, marker in ((isbase, "black", "s"), (~isbase, COLOURS[0], "o")):
            means = summary[metric].to_numpy(dtype=float)[chosen]
            axis.errorbar(means, places[chosen], xerr=spans[:, chosen], fmt=marker, color=colour, ms=5, capsize=2)
        if isbase.any():
            axis.axvline(float(summary.loc[isbase, metric].iloc[0]), color="black", lw=0.8, ls="--", zorder=1.5)
        axis.set_yticks(places, list(summary["variant"]))
        axis.set_xlabel(label(metric))
        if np.isfinite(ceiling(summary, metric)):  # in words: as a line it would squeeze what is compared
            axis.set_title(
                f"a perfect reader: {numbers.value(ceiling(summary, metric), metric)}", fontsize=7.5, loc="right"
            )
        axis.grid(axis="x")
    axes[0].set_ylim(len(summary) - 0.5, -0.5)
    axes[0].set_ylabel("variant")


def forest(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """Differences from top to bottom, 0 as a line, the margin around it as a band."""
    values, low, high = (rows[name].to_numpy(dtype=float) for name in ("difference", "low", "high"))
    places = np.arange(len(rows))
    axis.errorbar(values, places, xerr=np.stack([values - low, high - values]), fmt="o", color=COLOURS[0], capsize=2)
    if rows["margin"].notna().any():
        axis.axvspan(-float(rows["margin"].max()), float(rows["margin"].max()), color="#EEEEEE", zorder=0)
    axis.axvline(0, color="black", lw=0.8, ls="--")
    axis.set_yticks(places, list(rows["variant"]))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(title)


def heatmap(axis: Axes, rows: pd.DataFrame) -> None:
    """NMI as coloured cells with the numbers in them; rows: source, downstream, nmi, low, high."""
    sources, sets = list(dict.fromkeys(rows["source"])), list(dict.fromkeys(rows["downstream"]))
    cells = rows.set_index(["source", "downstream"])
    grid = np.array([[cells.loc[(source, name), "nmi"] for name in sets] for source in sources], dtype=float)
    most = max(float(np.nanmax(grid)), 0.01)
    axis.imshow(grid, cmap="cividis", vmin=0, vmax=most, aspect="auto")
    for row, source in enumerate(sources):
        for column, name in enumerate(sets):
            value, low, high = (float(cells.loc[(source, name), key]) for key in ("nmi", "low", "high"))
            colour = ON_BRIGHT if value > 0.6 * most else ON_DARK
            text = f"{numbers.value(value, 'nmi')}\n± {numbers.value((high - low) / 2, 'nmi')}"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=6.5)
    axis.set_xticks(range(len(sets)), sets, rotation=20 if len(sets) > 2 else 0)
    axis.set_yticks(range(len(sources)), sources)
    axis.set(xlabel="downstream set", ylabel="language source", title="NMI (0 to 1), ± half its 95 % interval")
    axis.spines[:].set_visible(False)


def projection(part: Any, points: pd.DataFrame) -> None:
    """A panel a language source, all downstream texts in grey behind; points: source, kind, x, y."""
    behind = points[points["kind"] == "downstream"]
    names = list(dict.fromkeys(points.loc[points["kind"] == "source", "source"]))
    axes = part.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    for index, (axis, name) in enumerate(zip(axes, names, strict=True)):
        own = points[(points["kind"] == "source") & (points["source"] == name)]
        axis.scatter(behind["x"], behind["y"], s=2, color="#BBBBBB", linewidths=0, rasterized=True)
        axis.scatter(own["x"], own["y"], s=4, color=colour(index), linewidths=0, rasterized=True)
        axis.set(title=name, xticks=[], yticks=[])
    axes[0].set_ylabel("second axis (PCA)", fontsize=8)
    part.supxlabel("first axis (PCA) of the text features; grey: texts of the downstream sets", fontsize=8)


def gaze(part: Any, frames: Any, looks: Mapping[str, Any], title: str, shown: int = 4) -> None:
    """Frames of one clip in a row, and below them a row of attention over the patches for each of `looks`.

    frames [n, height, width, 3], looks [n, rows, columns]. Brightness is relative to the highest of a row in the whole
    clip; the number is the frame's share of the clip's attention.
    """
    chosen = np.linspace(0, len(frames) - 1, min(shown, len(frames))).round().astype(int).tolist()
    axes = part.subplots(1 + len(looks), len(chosen), squeeze=False)
    for column, index in enumerate(chosen):
        axes[0, column].imshow(frames[index])
        for row, weights in enumerate(looks.values(), start=1):
            axes[row, column].imshow(weights[index], cmap="cividis", vmin=0, vmax=weights.max())
            axes[row, column].set_xlabel(
                f"{100 * weights[index].sum() / weights.sum():.0f} %", fontsize=6.5, labelpad=1
            )
    for row, name in enumerate(["frame", *looks]):
        axes[row, 0].set_ylabel(name, fontsize=7)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    part.suptitle(title, fontsize=8)
