"""The source fingerprint of a stage: a hash over the definitions that its function reaches.

Functions, classes and constants of this package, followed from name to name, each in its normal form (normal_form.py);
a module that is handed around counts whole, and so does what imported modules do beside defining. Settings, commands
and how a run goes are left out: a cell's key already holds its settings.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from clipvip.runtime.sources import BESIDE, WHOLE, Module, Place, Sources

PACKAGE = Path(__file__).parent.parent
LEFT_OUT = (
    "clipvip.config",
    "clipvip.commands",
    "clipvip.__main__",
    "clipvip.runtime.context",
    "clipvip.runtime.monitor",
    "clipvip.runtime.options",
    "clipvip.runtime.provenance",
    "clipvip.runtime.shown",
)


def fingerprint(*roots: str, entry: str | None = None, tables: tuple[str, ...] = ()) -> str:
    """First 12 hex digits over all that the roots reach: modules, or definitions as `module:name`.

    Of `tables` (`module:NAME`) only the entry `entry` is followed. Raises ValueError for a root that is not there.
    """
    return _fingerprint(PACKAGE, roots, entry, tables if entry is not None else ())


@cache
def _sources(folder: Path) -> Sources:
    return Sources(folder)


@cache
def _fingerprint(folder: Path, roots: tuple[str, ...], entry: str | None, tables: tuple[str, ...]) -> str:
    sources = _sources(folder)
    reach = Reach(sources, entry, tables)
    for root in roots:
        module, _, name = root.partition(":")
        found = sources.module(module)
        if name and name not in found.definitions:
            raise ValueError(f"{root}: no such definition in {folder}")
        reach.add([(found, name or WHOLE)])
    said = [reach.said[each] for each in sorted(reach.said) if reach.said[each]]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


class Reach:
    """What is reached so far: (module, definition) -> what it says."""

    def __init__(self, sources: Sources, entry: str | None, tables: tuple[str, ...]) -> None:
        self.said: dict[tuple[str, str], str] = {}
        self._sources, self._entry, self._tables = sources, entry, tables

    def add(self, places: Iterable[Place]) -> None:
        """Take in definitions and all that they reach."""
        waiting = list(places)
        while waiting:
            module, name = waiting.pop()
            if (module.name, name) in self.said or _left_out(module.name):
                continue
            entry = self._entry if f"{module.name}:{name}" in self._tables else None
            self.said[module.name, name], more = _take(self._sources, module, name, entry)
            waiting += more


@cache
def _take(sources: Sources, module: Module, name: str, entry: str | None) -> tuple[str, tuple[Place, ...]]:
    """What a definition says, and the places it uses. A module that is reached runs, with all that it imports."""
    if name == WHOLE:
        return "", ((module, BESIDE), *((module, each) for each in module.definitions))
    found, bound = [(module, BESIDE)], set[str]()
    if name == BESIDE:
        places = (sources.place(whole) for whole in sorted(module.imported))
        found += [(place[0], BESIDE) for place in places if place is not None]
    unit = module.unit(name, entry)
    for names in sorted(unit.uses):
        if names[0] in module.definitions:
            found.append((module, names[0]))
        for whole in sorted(module.imports.get(names[0], ())):
            place = sources.place(".".join([whole, *names[1:]]))
            if place is None:
                bound.add(f"{names[0]}={whole}")
            elif not _left_out(place[0].name):
                bound.add(f"{names[0]}={place[0].name}:{place[1]}")
                found.append(place)
    said = "\n".join([f"{module.name}:{name}", unit.text, *sorted(bound)]) if unit.text or name else ""
    return said, tuple(dict.fromkeys(found))


@cache
def _left_out(name: str) -> bool:
    return name == "clipvip" or any(name == other or name.startswith(f"{other}.") for other in LEFT_OUT)
