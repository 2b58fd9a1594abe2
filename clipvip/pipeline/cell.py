"""A cell is one run of one stage, named by what it is made of.

results/cells/<stage>/<key>/ holds config.json, receipt.json and what the stage made. A cell is made in
a folder beside and renamed into place under a lock. Its receipt carries the source fingerprint of its
stage and its lineage (own fingerprint and the lineages of its inputs), so that any clone can tell
whether today's code would make it the same way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from clipvip.config.base import Settings, digest
from clipvip.config.registry import STAGES
from clipvip.runtime.fingerprint import fingerprint


@dataclass(frozen=True)
class Cell:
    """One run of `stage` with `settings` on the cells `inputs`."""

    stage: str
    settings: Settings
    inputs: Mapping[str, "Cell"] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """12 hex digits over stage, settings that are not at their default, and keys of inputs."""
        inputs = {role: cell.key for role, cell in self.inputs.items() if not unkeyed(role)}
        left_out = set(self.settings.unkeyed)
        settings = self.settings.model_dump(mode="json", exclude_defaults=True, exclude=left_out)
        return digest({"stage": self.stage, "settings": settings, "inputs": inputs})

    @cached_property
    def lineage(self) -> str:
        """What today's code would write into the receipt."""
        return lineage_of(self.fingerprint, {role: cell.lineage for role, cell in self.inputs.items()})

    @cached_property
    def fingerprint(self) -> str:
        """Of today's code that makes it."""
        return stage_fingerprint(self.stage, self.settings)

    @property
    def name(self) -> str:
        """`<stage>/<key>`."""
        return f"{self.stage}/{self.key}"

    def spec(self) -> dict[str, Any]:
        """The file by which the cell can be run by hand."""
        inputs = {role: cell.name for role, cell in self.inputs.items()}
        return {"stage": self.stage, "settings": self.settings.model_dump(mode="json"), "inputs": inputs}


def unkeyed(role: str) -> bool:
    """`frames` or, for example, `validation:frames`: what follows from the other inputs."""
    stage = STAGES.get(role.split(":")[-1])
    return stage is not None and not stage.keyed


def lineage_of(own: str, inputs: Mapping[str, str]) -> str:
    """Lineage of a cell from the fingerprint of its stage and the lineages of its inputs."""
    kept = {role: lineage for role, lineage in inputs.items() if not unkeyed(role)}
    return digest([own, kept])


def part_of(stage: str, settings: Settings) -> str | None:
    """The part of a stage's tables that a cell uses: the format of a corpus."""
    name = STAGES[stage].part
    return None if name is None else str(getattr(settings, name))


def stage_fingerprint(stage: str, settings: Settings) -> str:
    """Fingerprint of the code that a cell of these settings reaches."""
    own = STAGES[stage]
    made_by, tables = ([f"clipvip.{place}" for place in places] for places in ((own.make, *own.also), own.tables))
    return fingerprint(*made_by, entry=part_of(stage, settings), tables=tuple(tables))


def closure(cell: Cell) -> Iterator[Cell]:
    """The cell after all that it is made from, each once."""
    seen: dict[str, Cell] = {}

    def visit(one: Cell) -> None:
        for other in one.inputs.values():
            visit(other)
        seen.setdefault(one.name, one)

    visit(cell)
    yield from seen.values()
