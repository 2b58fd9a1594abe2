"""docs/results.md: every study of an experiment as Markdown, from its finished cells; no number is typed by hand."""

import os
import platform
import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

from clipvip.results import study_files
from clipvip.results.finished import Finished, generated, reach, read_plan, results_root, uses
from clipvip.results.report.page import REAL_DATA, SMALL_WORLD
from clipvip.results.report.terminal import markdown
from clipvip.runtime.files import write_whole

FIGURES = (study_files.FIGURE, study_files.FIGURE_PNG)


def write(experiment: Path, out: Path) -> Path:
    """Write the page of the experiment in this folder (results/<experiment>); figures go to a folder beside it.

    Raises ValueError where the folder holds no study, or the tables of one are not written yet.
    """
    folders = sorted(path.parent for path in experiment.glob(f"studies/*/{study_files.PLAN}"))
    if not folders:
        raise ValueError(f"{experiment}: holds no studies (studies/<study>); give the folder results/<experiment>")
    plans = [read_plan(folder) for folder in folders]
    cells = reach(results_root(folders[0]), [use.key for plan in plans for use in uses(plan)])
    caution = SMALL_WORLD if any(map(generated, folders)) else REAL_DATA
    head = [f"# Results of the experiment {plans[0]['experiment']}", f"**{caution}**"]
    how = f"Written by `clipvip results-page results/{experiment.resolve().name}`; edits would be overwritten."
    sections = [_study(folder, plan, out) for folder, plan in zip(folders, plans, strict=True)]
    write_whole(out, "\n\n".join([*head, how, _made(plans, cells), *sections]) + "\n")
    return out


def refresh(page: Path, experiment: Path) -> None:
    """Put today's verdicts between `<!-- verdicts of <study> -->` and `<!-- end of verdicts -->` of another page."""

    def verdicts(match: re.Match[str]) -> str:
        *_, table = markdown(experiment / "studies" / match[2]).split("\n\n")
        return f"{match[1]}\n{table}\n{match[3]}"

    marked = r"(<!-- verdicts of (\w+) -->\n).*?(\n<!-- end of verdicts -->)"
    try:
        text = page.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{page}: not UTF-8 at byte {error.start}; give a page with the marks of verdicts") from None
    fresh, found = re.subn(marked, verdicts, text, flags=re.DOTALL)
    if not found:
        raise ValueError(f"{page}: has no verdicts to refresh, `<!-- verdicts of <study> -->` to `<!-- end of ... -->`")
    write_whole(page, fresh)


def _study(folder: Path, plan: dict[str, Any], out: Path) -> str:
    _, *tables = markdown(folder).split("\n\n")  # without its title
    claim = f" The paper: {plan['claim']}" if plan["claim"] else ""
    blocks = [f"## {plan['title']}", f"Study `{plan['study']}`.{claim}", *tables]
    figure = next((folder / name for name in FIGURES if (folder / name).is_file()), None)
    if figure is not None:
        shown = out.parent / out.stem / f"{plan['study']}{figure.suffix}"
        shown.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(figure, shown)
        blocks.append(f"![{plan['title']}]({out.stem}/{shown.name})")
    return "\n\n".join(blocks)


def _made(plans: list[dict[str, Any]], cells: dict[str, Finished]) -> str:
    """Machine, versions, commit, dates, seeds: what a reader needs to run it again."""
    values: dict[str, set[str]] = defaultdict(set)
    for cell in cells.values():
        values["commit"].add(str(cell.receipt.get("commit") or "unknown"))
        for name, version in cell.receipt.get("versions", {}).items():
            values[name].add(str(version))
    days = sorted(str(cell.receipt["started"])[:10] for cell in cells.values())
    seeds = sorted({row["seed"] for plan in plans for row in plan["rows"]})
    rows = [
        ("machine, where this page was written", f"{cpu_model()}, {os.cpu_count()} cores"),
        ("cells", str(len(cells))),
        ("dates", " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "no finished cell"),
        ("seeds", ", ".join(map(str, seeds))),
        *((name, ", ".join(sorted(each))) for name, each in sorted(values.items())),
    ]
    return "\n".join(["| made with | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def cpu_model() -> str:
    """The processor as it calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
