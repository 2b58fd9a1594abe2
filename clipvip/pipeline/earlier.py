"""Finished cells from which a new one of the same stage may take over what it says of clips that did not change."""

from pathlib import Path

from clipvip.config.registry import STAGES
from clipvip.pipeline.cell import stage_fingerprint, unkeyed
from clipvip.pipeline.store import folder
from clipvip.pipeline.task import Task, settings_of
from clipvip.runtime import cell_content, cell_files, receipts


def earlier(task: Task, *, verify: bool = False) -> tuple[Path, ...]:
    """Whole cells by the same code, with the same settings and the same inputs in name and content, but for the inputs
    that say which clips there are. None for a stage that says nothing of clips one by one.

    The cell itself is among them where one made from older content lies in its place.
    """
    says_which = STAGES[task.stage].says_which
    if not says_which:
        return ()
    code = stage_fingerprint(task.stage, settings_of(task.stage, task.settings, f"spec of {task.name}"))
    same = [role for role in task.inputs if role not in says_which and not unkeyed(role)]
    cells = sorted(folder(task.root, task.stage).glob("[!.]*"))
    return tuple(cell for cell in cells if _is_alike(cell, task, code, same, verify=verify))


def _is_alike(cell: Path, task: Task, code: str, same: list[str], *, verify: bool) -> bool:
    found, config = receipts.read(cell), receipts.read_json(cell / cell_files.CONFIG)
    if found is None or config is None or receipts.PARTIAL in found or found["fingerprint"] != code:
        return False
    read, inputs = found.get("read") or {}, found.get("inputs") or {}
    for role in same:
        if inputs.get(role) != task.inputs[role] or read.get(role) is None or read[role] != task.made_of.get(role):
            return False
    return config.get("settings") == task.settings and cell_content.damage(cell, verify=verify) is None
