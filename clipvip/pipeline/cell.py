"""A cell is one run of one stage, named by what it is made of.

results/cells/<stage>/<key>/ holds config.json, receipt.json and what the stage made. A cell is made in
a folder beside and renamed into place under a lock. Its receipt carries the source fingerprint of its
stage and its lineage (own fingerprint and the lineages of its inputs), so that any clone can tell
whether today's code would make it the same way.
"""

from collections.abc import Mapping
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
        inputs = {role: cell.key for role, cell in self.inputs.items() if not _unkeyed(role)}
        settings = self.settings.model_dump(mode="json", exclude_defaults=True)
        return digest({"stage": self.stage, "settings": settings, "inputs": inputs})

    @cached_property
    def lineage(self) -> str:
        """What today's code would write into the receipt."""
        return lineage_of(self.stage, {role: cell.lineage for role, cell in self.inputs.items()})

    @property
    def name(self) -> str:
        """`<stage>/<key>`."""
        return f"{self.stage}/{self.key}"

    def spec(self) -> dict[str, Any]:
        """The file by which the cell can be run by hand."""
        inputs = {role: cell.name for role, cell in self.inputs.items()}
        return {"stage": self.stage, "settings": self.settings.model_dump(mode="json"), "inputs": inputs}


def _unkeyed(role: str) -> bool:
    """`frames` or, for example, `validation:frames`: what follows from the other inputs."""
    stage = STAGES.get(role.split(":")[-1])
    return stage is not None and not stage.keyed


def lineage_of(stage: str, inputs: dict[str, str]) -> str:
    kept = {role: lineage for role, lineage in inputs.items() if not _unkeyed(role)}
    return digest([stage_fingerprint(stage), kept])


def stage_fingerprint(stage: str) -> str:
    """Fingerprint of the code that a stage reaches."""
    return fingerprint(STAGES[stage].module)
