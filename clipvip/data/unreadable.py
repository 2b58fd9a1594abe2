"""Clips that could not be read while a run went on: each named once with its reason, counted, never replaced.

Every process appends to a file of its own in one folder below the run's work, so that data-loading workers and several
processes share the account, and a resumed run keeps it.
"""

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipvip.runtime.legible import short
from clipvip.runtime.shown import Shown

UNREADABLE = "unreadable.csv"  # what a folder of videos lost, beside what was made of it
NAMED: Shown = 50  # names in the receipt


class Quarantine:
    """The account of one run; `allowed` is the share of clips that may be in it."""

    def __init__(self, folder: Path, *, allowed: float, where: Path) -> None:
        self.folder = folder
        self._allowed = allowed
        self._where = where
        self._noted: set[str] = set()
        self._size = -1

    def note(self, clip_id: str, reason: str) -> None:
        """Record an unreadable clip (once per process)."""
        if clip_id in self._noted:
            return
        self._noted.add(clip_id)
        self.folder.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"clip_id": clip_id, "reason": reason}) + "\n"
        with open(self.folder / f"{platform.node()}-{os.getpid()}.jsonl", "a", encoding="utf-8") as file:
            file.write(line)

    def found(self) -> dict[str, str]:
        """Clip id -> reason, by clip id; a line that a kill cut short is left to be noted again."""
        found: dict[str, str] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.endswith("}\n"):
                    entry = json.loads(line)
                    found.setdefault(entry["clip_id"], entry["reason"])
        return dict(sorted(found.items()))

    def stop_if_too_many(self, total: int) -> None:
        """ValueError where more than the allowed share of `total` clips is in; looks only where something was added."""
        size = sum(path.stat().st_size for path in self.folder.glob("*.jsonl"))
        if size != self._size:
            self._size = size
            stop_if_too_many(list(self.found()), total, allowed=self._allowed, where=self._where)

    def account(self) -> dict[str, Any]:
        """What the receipt says: how many clips, and the first of them with their reasons."""
        found = self.found()
        named = [{"clip_id": clip_id, "reason": reason} for clip_id, reason in list(found.items())[:NAMED]]
        return {"num_unreadable": len(found), "unreadable": named}


def stop_if_too_many(bad: Sequence[str], total: int, *, allowed: float, where: Path | str) -> None:
    """ValueError when more than the `allowed` share of `total` clips is bad; a set that lost clips is not the set."""
    if len(bad) > allowed * total:
        share = f"{len(bad)} of {total} clips ({len(bad) / total:.1%})"
        raise ValueError(
            f"{where}: {share} are missing or unreadable, {allowed:.1%} are allowed: {short(bad)}; "
            "add the files, or raise `max_bad` of the corpus"
        )
