"""What a spec file asks for: a cell, the finished cells that it is made from, and what these hold now."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipvip.config.base import Settings, build
from clipvip.config.registry import STAGES
from clipvip.pipeline.cell import lineage_of, stage_fingerprint
from clipvip.pipeline.store import changed_inputs, contents, folder, receipt, set_aside, work_folder
from clipvip.runtime import cell_content, receipts


def settings_of(stage: str, data: Any, where: str) -> Settings:
    """Settings of a stage from plain data."""
    return build(STAGES[stage].settings, data, where)


@dataclass(frozen=True)
class Task:
    """The cell that a spec file asks for, and what its inputs hold now."""

    root: Path
    name: str
    stage: str
    settings: Any  # plain data
    inputs: dict[str, str]
    lineage: str
    made_of: dict[str, str | None]  # role -> content of the input

    @property
    def target(self) -> Path:
        """The cell's folder."""
        return folder(self.root, self.name)

    @property
    def work(self) -> Path:
        """Where its state for resuming lies."""
        return work_folder(self.root, self.name, self.lineage, self.made_of)

    def made(self) -> bool:
        """Whether it is there, by today's code from what its inputs hold."""
        found = receipt(self.root, self.name)
        if found is None or receipts.PARTIAL in found or found.get("lineage") != self.lineage:
            return False
        return not changed_inputs(self.root, found)

    def check_inputs(self, *, verify: bool) -> None:
        """ValueError, naming the file, where an input was damaged since it was made; it is no finished cell then."""
        for role, name in self.inputs.items():
            whole = self.stage in (role, "corpus", "frames")  # others read no video of a generated world
            damage = cell_content.damage(folder(self.root, name), verify=verify, top_only=role == "world" and not whole)
            if damage is not None:
                set_aside(self.root, name, damage)
                raise ValueError(f"{damage}; give the same command again, and {name} is made anew")


def read_spec(spec: Path) -> Task:
    """What a spec file asks for. ValueError: it is no spec, or an input is not finished."""
    root, read = spec.parent.parent, receipts.read_json(spec)
    if read is None or not {"stage", "settings", "inputs"} <= read.keys() or read["stage"] not in STAGES:
        raise ValueError(f"{spec}: no spec of a cell (results/specs/<stage>-<key>.json); the workflow writes it anew")
    return task_of(root, f"{read['stage']}/{spec.stem.split('-')[1]}", read)


def task_of(root: Path, name: str, read: dict[str, Any]) -> Task:
    """The same of a spec's content. ValueError: an input is not finished."""
    inputs = {role: _finished(root, other) for role, other in read["inputs"].items()}
    settings = settings_of(read["stage"], read["settings"], f"spec of {name}")
    own = stage_fingerprint(read["stage"], settings)
    lineage = lineage_of(own, {role: found["lineage"] for role, found in inputs.items()})
    made_of = contents(root, read["inputs"]) or {}
    return Task(root, name, read["stage"], read["settings"], read["inputs"], lineage, made_of)


def _finished(root: Path, name: str) -> dict[str, Any]:
    found = receipt(root, name)
    if found is None or receipts.PARTIAL in found:
        raise ValueError(f"{folder(root, name)}: this input is not made yet; run its spec first")
    return found
