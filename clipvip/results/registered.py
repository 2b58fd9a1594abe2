"""When a line of `expect` was stated: before its answer could be known, or after.

A file beside the plan holds each line with its margin, the time it was first asked for, and whether the answer was
there already. Lines are only ever added to it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipvip.config.base import digest
from clipvip.config.claims import margin_of
from clipvip.results import study_files
from clipvip.results.study_results import Study
from clipvip.runtime.files import write_whole

BEFORE, AFTER, UNKNOWN = "before results", "after results", "not recorded"


def hashed(study: str, expect: list[str], margins: Mapping[str, float]) -> str:
    """Digest of the lines of a study with the experiment's margins, as it stands in its plan."""
    return digest({"study": study, "expect": expect, "margins": dict(margins)})


def record(plan: dict[str, Any], folder: Path, *, now: datetime | None = None) -> None:
    """Add the lines of this plan that the folder does not know yet; those that it knows stay as they are."""
    study, known = Study(plan), _known(folder)
    new = {}
    for line in study.expectations():
        margin = margin_of(line, plan.get("margins") or {})
        key = digest({"line": " ".join(line.line.split()), "margin": margin})
        if key not in known:
            variants = [name for name, _ in line.weights]
            answered = _answered(study, line.metric.when == "nmi", variants, line)
            stated = (now or datetime.now(UTC)).isoformat(timespec="seconds")
            new[key] = {
                "line": line.line,
                "margin": margin,
                "stated": stated,
                "plan": plan.get("expected"),
                "answered": answered,
            }
    if new:
        write_whole(folder / study_files.EXPECTED, json.dumps(known | new, indent=1) + "\n")


def stated(plan: dict[str, Any], folder: Path) -> dict[str, str]:
    """Line of the plan -> before results, after results, or not recorded."""
    study, known = Study(plan), _known(folder)
    found = {}
    for line in study.expectations():
        margin = margin_of(line, plan.get("margins") or {})
        entry = known.get(digest({"line": " ".join(line.line.split()), "margin": margin}))
        found[line.line] = UNKNOWN if entry is None else AFTER if entry["answered"] else BEFORE
    return found


def _known(folder: Path) -> dict[str, Any]:
    path = folder / study_files.EXPECTED
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def _answered(study: Study, gap: bool, variants: list[str], line: Any) -> bool:
    if gap:
        return study.plan.get("gap") in study.cells
    role = f"{line.metric.when}/{line.metric.downstream}"
    rows = [row for row in study.plan["rows"] if row["cells"].get(role) in study.cells]
    return {row["variant"] for row in rows} >= set(variants)
