"""The first screen of the page: what was run and on what, and every claim with its outcome, main study first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.results import numbers, outcomes, study_files
from clipvip.results.finished import Finished, uses
from clipvip.results.report import bars
from clipvip.results.report.durations import said

MAIN = "main"  # the study that is shown first
SIGNS = {
    outcomes.YES: "✓",
    outcomes.NO: "✗",
    outcomes.SAME: "≈",
    outcomes.OPEN: "?",
    outcomes.ONE_RUN: "?",
    outcomes.NOT_RUN: "–",
}


def in_order(folders: Sequence[Path]) -> list[Path]:
    """The study `main` first, the others as given."""
    return sorted(folders, key=lambda folder: folder.name != MAIN)


# -- claims ----------------------------------------------------------------------------------------------


def claims(folders: Sequence[Path], plans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Groups of claims, a group a study that has some, their bars on one scale a unit, and the scales."""
    tables = {folder: _verdicts(folder) for folder in folders}
    every = [row for table in tables.values() for row in table]
    scale = bars.scales(every)
    groups = [
        {
            "name": plan["study"],
            "title": plan["title"],
            "tally": tally([row["verdict"] for row in tables[folder]]),
            "rows": [_claim(row, scale) for row in tables[folder]],
        }
        for folder, plan in zip(folders, plans, strict=True)
        if tables[folder]
    ]
    ends = [f"±{most:g} {unit}" for unit, most in scale.items()]
    said = f"{tally([row['verdict'] for row in every])}, of {len(every)} claims in all" if len(groups) > 1 else ""
    return {"groups": groups, "scale": ends, "tally": said, "metrics": [str(row["metric"]) for row in every]}


def _verdicts(folder: Path) -> list[dict[str, Any]]:
    path = folder / study_files.VERDICTS
    return (
        []
        if not path.is_file()
        else [{str(k): v for k, v in row.items()} for row in pd.read_csv(path).to_dict("records")]
    )


def _claim(row: Mapping[str, Any], scale: Mapping[str, float]) -> dict[str, Any]:
    metric, outcome = str(row["metric"]), row["verdict"]
    interval = numbers.interval(row["low"], row["high"], metric, signed=True)
    return {
        "claim": str(row["expect"]).rsplit(" on ", 1)[0],
        "on": short(metric),
        "outcome": outcome,
        "sign": SIGNS.get(outcome, "?"),
        "kind": {"yes": "yes", "no": "no", outcomes.SAME: "same"}.get(outcome, "open"),
        "difference": numbers.difference(row["difference"], metric),
        "interval": f"({interval})" if interval else "",
        "bar": bars.bar(row, scale),
    }


def short(metric: str) -> str:
    """`msrvtt R@5`, `msrvtt zero-shot order`, `didemo NMI`: a metric in a line; text to video is not said."""
    parts = metric.split("/")
    if parts[0] == "nmi":
        return f"{parts[1]} NMI"
    words = [parts[0], *(["zero-shot"] if "zero_shot" in parts else [])]
    way = [part for part in parts[1:-1] if part not in ("zero_shot", "t2v")]
    return " ".join([*words, *way, parts[-1]])


def tally(verdicts: Sequence[str]) -> str:
    """`3 yes, 1 cannot tell`."""
    counts = Counter(verdicts)
    return ", ".join(f"{counts[name]} {name}" for name in outcomes.OUTCOMES if counts[name])


# -- facts -----------------------------------------------------------------------------------------------


def facts(plans: Sequence[Mapping[str, Any]], cells: Mapping[str, Finished]) -> list[tuple[str, str]]:
    """What was run and on what, each with its words."""
    rows = [row for plan in plans for row in plan["rows"]]
    seeds = sorted({row["seed"] for row in rows})
    variants = {(plan["study"], row["variant"]) for plan in plans for row in plan["rows"]}
    asked = {use.key for plan in plans for use in uses(dict(plan))}
    seconds = sum(float(cell.receipt["seconds"]) for cell in cells.values())
    found = [
        (
            "run",
            f"{len(plans)} stud{'y' if len(plans) == 1 else 'ies'}, {_count(len(variants), 'variant')}, "
            f"{_count(len(seeds), 'replicate')} of each (seed {', '.join(map(str, seeds))}); "
            f"{len(asked & set(cells))} of {len(asked)} cells finished",
        )
    ]
    found += [("tested on", each) for each in [_sets(plans, cells)] if each]
    found += [("trained on", each) for each in [_corpora(cells)] if each]
    found += [("model", each) for each in [_model(cells)] if each]
    if cells:
        found.append(("took", f"{said(seconds)} in all, {_days(cells)}, on {_machines(cells)}"))
    return found


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _sets(plans: Sequence[Mapping[str, Any]], cells: Mapping[str, Finished]) -> str:
    known: dict[str, str] = {}
    for use in (use for plan in plans for use in uses(dict(plan)) if "/" in use.role):
        name, cell = use.role.split("/", 1)[1], cells.get(use.key)
        if name in known or use.stage != "evaluate" or cell is None or "texts" not in cell.receipt:
            continue
        galleries = cell.receipt.get("galleries") or []
        many = f" in {len(galleries)} galleries" if len(galleries) > 1 else ""
        known[name] = f"{name} ({cell.receipt['texts']:,} queries, {cell.receipt['clips']:,} clips{many})"
    return ", ".join(known.values())


def _corpora(cells: Mapping[str, Finished]) -> str:
    found: dict[str, int] = {}
    for cell in cells.values():
        corpus = cells.get(cell.inputs.get("corpus", ""))
        if cell.stage != "pretrain" or corpus is None or not isinstance(cell.receipt.get("clips"), int):
            continue
        name = str((corpus.settings.get("world") or {}).get("part") or corpus.settings.get("format"))
        found[name] = max(found.get(name, 0), cell.receipt["clips"])
    return ", ".join(f"{name} (up to {clips:,} clips)" for name, clips in found.items())


def _model(cells: Mapping[str, Finished]) -> str:
    named: dict[str, None] = {}
    for cell in (cell for cell in cells.values() if cell.stage == "clip"):
        shape = cell.settings.get("shape") or {}
        layers = shape.get("vision_layers")
        size = f"CLIP made here: {layers} layer{'s' * (layers != 1)} of width {shape.get('vision_width')}, "
        size += f"{shape.get('image_size')} pixels in patches of {shape.get('patch_size')}"
        named[str(cell.settings.get("source") or size)] = None
    return "; ".join(named)


def _days(cells: Mapping[str, Finished]) -> str:
    days = sorted(str(cell.receipt["started"])[:10] for cell in cells.values())
    return " to ".join(dict.fromkeys([days[0], days[-1]]))


def _machines(cells: Mapping[str, Finished]) -> str:
    found: dict[str, None] = {}
    for cell in cells.values():
        machine = cell.receipt.get("machine") or {}
        if machine.get("processor"):
            found[f"{machine.get('gpu') or machine['processor']}, {machine.get('cores')} cores"] = None
    return "; ".join(found) or "a machine that its receipts do not name"
