"""What became of every annotated clip: it is in the manifest, or named as missing, unreadable or without a text."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clipvip import manifest

NAMED = 50  # names of a kind in the receipt


@dataclass
class Account:
    """Filled while a corpus is read."""

    found: int = 0  # clips whose file can be read, with a text or not; one told of far apart counts again
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
        manifest.stop_if_too_many(bad, self.named, allowed=allowed, where=where)

    def facts(self, out: Path) -> dict[str, Any]:
        """For the receipt of the corpus in `out`: counts of clips and texts by split, and the clips that are not in."""
        texts: Counter[str] = Counter()
        for batch in manifest.scan(out, ["split"]):
            texts.update({row["values"]: row["counts"] for row in pc.value_counts(batch["split"]).to_pylist()})
        ids = manifest.clip_ids(out)
        splits = {split: {"clips": len(manifest.clip_ids(out, split=split)), "texts": n} for split, n in texts.items()}
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
