"""What became of every annotated clip: it is in the manifest, or named as missing, unreadable or without a text."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipvip.data import manifest, unreadable
from clipvip.runtime.shown import Shown

NAMED: Shown = 50  # names of a kind in the receipt


@dataclass
class Account:
    """Filled while a corpus is read."""

    found: int = (
        0  # clips whose file can be read, with a text or not; a clip whose rows are not adjacent is counted twice
    )
    missing: list[str] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)  # clip_id, reason
    leaked: list[dict[str, str]] = field(default_factory=list)  # clip_id, the test clip that it is
    empty: dict[str, int] = field(default_factory=dict)  # clip id -> its texts that are empty (one where it has none)

    @property
    def named(self) -> int:
        """Clips that the annotations name."""
        return self.found + len(self.missing) + len(self.unreadable) + len(self.leaked)

    def stop_if_too_many(self, *, allowed: float, where: Path | str) -> None:
        """ValueError when more than the `allowed` share of the clips is missing or unreadable."""
        bad = [*self.missing, *(entry["clip_id"] for entry in self.unreadable)]
        unreadable.stop_if_too_many(bad, self.named, allowed=allowed, where=where)

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
            **({"leaked": self.leaked[:NAMED], "num_leaked": len(self.leaked)} if self.leaked else {}),
            "empty_texts": sum(self.empty.values()),
            "empty_text_ids": list(self.empty)[:NAMED],
        }
