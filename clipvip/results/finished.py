"""The finished cells that a study's plan names, and what they were made from, read from their own files.

Plain JSON only: notebooks, tracking and the report read results through this file, and it knows
nothing of settings, stages or how a cell is run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipvip.config.registry import stage_of
from clipvip.results import study_files
from clipvip.runtime import cell_files, receipts


@dataclass(frozen=True)
class Use:
    """One place where a study uses a cell."""

    key: str
    role: str  # "clip", "pretrain", "weights", "finetune/<set>", "zero_shot/<set>", "fine_tuned/<set>", "gap", ...
    variant: str | None = None
    seed: int | None = None

    @property
    def stage(self) -> str:
        """The stage of the cell."""
        return stage_of(self.role)


@dataclass(frozen=True)
class Finished:
    """A finished cell as its own files describe it."""

    stage: str
    key: str
    folder: Path
    settings: dict[str, Any]
    inputs: dict[str, str]  # role -> key
    receipt: dict[str, Any]


def read_plan(study: Path) -> dict[str, Any]:
    """plan.json of a study folder, with `results`: the results tree that the folder lies in, wherever it was made.

    ValueError where there is none.
    """
    path = study / study_files.PLAN
    if not path.is_file():
        raise ValueError(f"{path}: no such file; this folder is not a study (results/<experiment>/studies/<study>)")
    plan = receipts.read_json(path)
    if plan is None:
        raise ValueError(f"{path}: empty or cut; the workflow writes it anew (`snakemake -n` is enough)")
    return {**plan, "results": str(results_root(study))}


def refuse_if_empty(plan: dict[str, Any], study: Path) -> None:
    """ValueError where not one cell of the plan is there: what the study's folder shows would be wiped out."""
    if (study / study_files.TABLE).is_file() and not reach(Path(plan["results"]), [use.key for use in uses(plan)]):
        raise ValueError(
            f"{plan['results']}/cells: none of the cells of study {plan['study']} is there, so its tables stay as they "
            "are; bring the cells beside them, or run the workflow"
        )


def results_root(study: Path) -> Path:
    """The results tree that a study folder lies in (results/<experiment>/studies/<study>)."""
    return study.resolve().parents[2]


def uses(plan: dict[str, Any]) -> list[Use]:
    """Every cell that the plan names, once for each place; switched-off stages (null) are left out."""
    found = [
        Use(_key(key), role, row["variant"], row["seed"])
        for row in plan["rows"]
        for role, key in row["cells"].items()
        if key is not None
    ]
    found += [Use(_key(key), f"captions/{corpus}") for corpus, key in (plan.get("captions") or {}).items() if key]
    return found + ([Use(_key(plan["gap"]), "gap")] if plan.get("gap") else [])


def _key(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def find(results: Path, key: str) -> Finished:
    """The finished cell of this key (or `<stage>/<key>`); ValueError where it is not there or not finished."""
    for folder in sorted((results / "cells").glob(f"*/{_key(key)}")):
        made, receipt = receipts.read_json(folder / cell_files.CONFIG), receipts.read(folder)
        if made is not None and receipt is not None:
            inputs = {role: _key(name) for role, name in (made.get("inputs") or {}).items()}
            return Finished(made["stage"], folder.name, folder, made["settings"], inputs, receipt)
    raise ValueError(f"{results / 'cells'}: no finished cell {key}; run the workflow to its end first")


def reach(results: Path, keys: Iterable[str]) -> dict[str, Finished]:
    """These cells and all they were made from, by key, inputs before what is made from them.

    What is not finished, or was deleted since, is left out.
    """
    reached: dict[str, Finished] = {}

    def visit(key: str) -> None:
        if key in reached:
            return
        try:
            cell = find(results, key)
        except ValueError:
            return
        for made_from in cell.inputs.values():
            visit(made_from)
        reached[key] = cell

    for key in keys:
        visit(key)
    return reached


def generated(study: Path) -> bool:
    """Whether any number of the study rests on a generated world, which must never be compared with the paper's."""
    cells = reach(results_root(study), [use.key for use in uses(read_plan(study))])
    return any(cell.stage == "world" for cell in cells.values())
