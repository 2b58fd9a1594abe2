"""Finished cells kept after a change of code that alters nothing, once that is shown.

Of every stage concerned (of corpora: every format; of each code that cells were made by) the quickest cell is made
again from the same inputs, and compared byte for byte. Then receipts name today's code, and say when and why.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from clipvip.pipeline.cell import Cell, lineage_of, part_of
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.runner import made_beside
from clipvip.pipeline.same_files import first_difference
from clipvip.pipeline.store import folder, receipt
from clipvip.runtime import receipts
from clipvip.runtime.files import locked

Kind = tuple[str, str | None, str]  # stage, its part, the fingerprint that the receipts hold


@dataclass(frozen=True)
class Stale:
    """A finished cell whose receipt names other code than today's, its own or that of its inputs."""

    cell: Cell
    receipt: dict[str, Any]

    @property
    def kind(self) -> Kind:
        """Cells of one kind are made by the same code, before and now."""
        return self.cell.stage, part_of(self.cell.stage, self.cell.settings), self.receipt["fingerprint"]

    @property
    def changed(self) -> bool:
        """Whether its own code changed."""
        return bool(self.receipt["fingerprint"] != self.cell.fingerprint)


class Adoption:
    """What of the cells under one results root can be adopted, and what not."""

    def __init__(self, root: Path, cells: Iterable[Cell]) -> None:
        self.root = root
        self.stale: list[Stale] = []  # inputs come first
        self.refused: dict[str, str] = {}  # cell -> why it has to be made again
        self._cells = {cell.name: cell for cell in cells}
        for cell in self._cells.values():
            found = receipt(root, cell.name)
            if found is not None and found["lineage"] != cell.lineage:
                why = self._obstacle(cell, found)
                if why is None:
                    self.stale.append(Stale(cell, found))
                else:
                    self.refused[cell.name] = why

    def _obstacle(self, cell: Cell, found: dict[str, Any]) -> str | None:
        """Why a cell cannot be adopted: an input would be made again, or was since."""
        lineages = {}
        for role, other in cell.inputs.items():
            own = receipt(self.root, other.name)
            if own is None or other.name in self.refused:
                return f"its input {other.name} has to be made first"
            lineages[role] = own["lineage"]
        if found["inputs"] != {role: other.name for role, other in cell.inputs.items()}:
            return "it was made from other inputs"
        if lineage_of(found["fingerprint"], lineages) != found["lineage"]:
            return "an input was made again since"
        return None

    @cached_property
    def proofs(self) -> dict[Kind, Stale]:
        """The quickest cell of every kind whose own code changed."""
        found: dict[Kind, Stale] = {}
        for each in self.stale:
            if each.changed and (
                each.kind not in found or each.receipt["seconds"] < found[each.kind].receipt["seconds"]
            ):
                found[each.kind] = each
        return found

    def prove(self, **how: Any) -> None:
        """Make the quickest cells again; ValueError with the first difference. `how`: fields of `Run`."""
        bar = tqdm(self.proofs.values(), desc="proofs", unit="cell", disable=None)
        for each in bar:
            name = each.cell.name
            bar.set_postfix_str(name)
            with made_beside(self.root, name, each.cell.spec(), **how) as made:
                found = first_difference(folder(self.root, name), made)
            if found is not None:
                raise ValueError(f"{name} is made otherwise by today's code, nothing is adopted: {found}")

    def write(self, why: str) -> int:
        """Name today's code in the receipts; how many. Inputs come last: cut short, it can go on."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        for each in tqdm(self.stale[::-1], desc="receipts", unit="cell", disable=None):
            proof = self.proofs[each.kind].cell.name if each.changed else None
            today = {"fingerprint": each.cell.fingerprint, "lineage": each.cell.lineage}
            note = {
                "from": {key: each.receipt[key] for key in ("fingerprint", "lineage")},
                "to": today,
                "when": when,
                "why": why,
                "proven_by": proof,  # null: only the code of its inputs changed
            }
            with locked(self.root / "locks" / each.cell.name.replace("/", "-")):
                if receipt(self.root, each.cell.name) != each.receipt:
                    raise ValueError(f"{each.cell.name} was made again meanwhile; adopt the others anew")
                notes = [*each.receipt.get("adopted", []), note]
                receipts.write(folder(self.root, each.cell.name), {**each.receipt, **today, "adopted": notes})
        return len(self.stale)

    def listing(self) -> str:
        """What would be made for proof, what adopted, what cannot be."""
        lines = [
            f"{each.cell.name}: made again for proof, {each.receipt['seconds']} s last time"
            for each in self.proofs.values()
        ]
        lines += [f"{each.cell.name}: {'its own code' if each.changed else 'an input'} changed" for each in self.stale]
        lines += [f"{name}: not adopted, {why}" for name, why in self.refused.items()]
        return "\n".join([*lines, f"{len(self.stale)} cells to adopt, {len(self.refused)} cannot be"])


def adoptions(jobs: Iterable[Jobs]) -> list[Adoption]:
    """One for each results root of the experiments."""
    cells: dict[Path, dict[str, Cell]] = {}
    for each in jobs:
        cells.setdefault(each.root.resolve(), {}).update(each.grid.cells)
    return [Adoption(root, found.values()) for root, found in cells.items()]


def adopt(found: Iterable[Adoption], why: str, how: Mapping[str, Any]) -> int:
    """Prove all, then write all; the number of cells adopted. ValueError where a proof fails."""
    every = list(found)
    for each in every:
        each.prove(**how)
    return sum(each.write(why) for each in every)
