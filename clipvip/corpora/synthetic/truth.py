"""What a generated world knows of its clips, for whoever judges texts."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.corpora.synthetic.scenes import NAMES
from clipvip.runtime import cell_files

ALWAYS_SEEN = ("background", "light")  # whether or not the object is in sight


def known_scenes(root: str) -> dict[str, set[tuple[str, str]]]:
    """Clip id -> (slot, value) of all that its middle frame shows; nothing where the media are no generated world."""
    path = Path(root) / cell_files.TRUTH
    if not path.is_file():
        return {}
    rows = pd.read_parquet(path, columns=["clip_id", "middle"])
    return dict(zip(rows["clip_id"], (_shown(json.loads(middle)) for middle in rows["middle"]), strict=True))


def _shown(middle: dict[str, Any]) -> set[tuple[str, str]]:
    """The place and look of an object that is out of sight are not shown."""
    kinds = [slot for slot in NAMES if middle["visible"] or slot in ALWAYS_SEEN]
    return {(slot, middle[slot]) for slot in kinds if middle.get(slot) is not None}
