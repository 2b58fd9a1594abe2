"""What became of every annotated clip: it is in the manifest, or named as missing, unreadable, without a text, or a
test clip; and how many records were no clip at all.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipvip.corpora.formats.border import Border
from clipvip.data import manifest, unreadable
from clipvip.runtime.legible import short
from clipvip.runtime.shown import Shown

LONG_REASON: Shown = 600  # characters of a record and what is wrong with it
NAMED: Shown = 50  # names of a kind in the receipt


@dataclass
class Account:
    """Filled while a corpus is read."""

    found: int = (
        0  # clips whose file can be read, with a text or not; a clip whose rows are not adjacent is counted twice
    )
    named_tests: int = 0  # test clips that the annotations name
    missing: list[str] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)  # clip_id, reason
    leaked: list[dict[str, str]] = field(default_factory=list)  # clip_id, the test clip that it is
    own_tests: list[dict[str, str]] = field(default_factory=list)  # clip_id, the test clip of its own set that it is
    same_source: list[dict[str, str]] = field(default_factory=list)  # kept: clip_id, a test clip from the same video
    border: Border = field(default_factory=Border)  # the records of the annotations
    empty: dict[str, int] = field(default_factory=dict)  # clip id -> its texts that are empty (one where it has none)

    @property
    def named(self) -> int:
        """Clips that the annotations name."""
        left_out = len(self.leaked) + len(self.own_tests)
        return self.found + len(self.missing) + len(self.unreadable) + left_out

    @property
    def lost(self) -> list[str]:
        """Clips that are missing or unreadable."""
        return [*self.missing, *(entry["clip_id"] for entry in self.unreadable)]

    @property
    def bad(self) -> float:
        """The share of clips that are lost, and to it the share of records that were set aside."""
        return len(self.lost) / max(1, self.named) + self.border.num_aside / max(1, self.border.records)

    def stop_if_too_many(self, *, allowed: float, where: Path | str) -> None:
        """ValueError when more than the `allowed` share of clips and records is bad."""
        if not self.border.num_aside:
            unreadable.stop_if_too_many(self.lost, self.named, allowed=allowed, where=where)
        elif self.bad > allowed:
            raise ValueError(f"{where}: {self.faults()}, {allowed:.1%} are allowed; correct them, or raise `max_bad`")

    def faults(self) -> str:
        """How many records were set aside and clips lost, and the first of each."""
        border, lost = self.border, self.lost
        said = f"{border.num_aside:,} of {border.records:,} records are set aside: {self.asides()}"
        return f"{said}; {len(lost):,} of {self.named:,} clips are missing or unreadable" if lost else said

    def asides(self) -> str:
        """The first records that were set aside, with the reasons."""
        named = [f"{each['record']}: {each['reason']}" for each in self.border.aside]
        return short(named, self.border.num_aside, most=LONG_REASON)

    def facts(self, out: Path) -> dict[str, Any]:
        """For the receipt of the corpus in `out`: counts of clips and texts by split, and the clips that are not in."""
        ids, names = manifest.clip_ids(out), list[str]()
        split_of, texts = np.zeros(len(ids), np.int8), Counter[str]()
        for batch in manifest.scan(out, ["clip_id", "split"]):
            coded = batch["split"].dictionary_encode()
            own = coded.dictionary.to_pylist()
            names += [name for name in own if name not in names]
            number = np.array([names.index(name) for name in own])[coded.indices.to_numpy()]
            split_of[ids.positions(batch["clip_id"])] = number
            texts.update({names[i]: int(count) for i, count in enumerate(np.bincount(number))})
        clips = np.bincount(split_of, minlength=len(names))
        splits = {name: {"clips": int(clips[i]), "texts": texts[name]} for i, name in enumerate(names)}
        return {
            "clips": len(ids),
            "texts": texts.total(),
            "splits": splits,
            "found": len(ids) + int((ids.positions(pa.array(list(self.empty), pa.large_string())) < 0).sum()),
            "missing": self.missing[:NAMED],
            "num_missing": len(self.missing),
            "unreadable": self.unreadable[:NAMED],
            "num_unreadable": len(self.unreadable),
            **_named("leaked", self.leaked),
            **_named("own_tests", self.own_tests),
            **_named("same_source", self.same_source),
            **_named("set_aside", self.border.aside, self.border.num_aside),
            "empty_texts": sum(self.empty.values()),
            "empty_text_ids": list(self.empty)[:NAMED],
        }


def _named(kind: str, entries: list[dict[str, str]], count: int | None = None) -> dict[str, Any]:
    """The first entries of a kind, and how many there are; nothing where there is none."""
    return {kind: entries[:NAMED], f"num_{kind}": len(entries) if count is None else count} if entries else {}
