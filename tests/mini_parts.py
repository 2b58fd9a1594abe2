"""Tiny parts of the miniature world for the tests."""

from pathlib import Path

import pandas as pd

from clipvip.config.data import WorldSettings
from clipvip.corpora.synthetic.world import make
from clipvip.runtime.context import Run

SIZES = {
    "images": {"train": 12, "val": 3},
    "coco": {"train": 5, "val": 2},
    "narrated": {"train": 10},
    "alt_text": {"train": 6, "val": 2},
    "msrvtt": {"train": 4, "test": 8},
    "didemo": {"train": 2, "val": 4, "test": 6},
    "lsmdc": {"train": 2, "val": 4, "test": 6},
    "activitynet": {"train": 3, "test": 6},
}
DOWNSTREAM = ("msrvtt", "didemo", "lsmdc", "activitynet")


def settings(part: str, seed: int = 0) -> WorldSettings:
    return WorldSettings.model_validate({"part": part, "clips": SIZES[part], "seed": seed, "frames": 8, "pixels": 32})


def build(part: str, out: Path, seed: int = 0) -> dict[str, object]:
    out.mkdir(parents=True)
    return make(settings(part, seed), {}, out, Run(work=out))


def build_all(root: Path) -> Path:
    for part in SIZES:
        build(part, root / part)
    return root


def truth(world: Path, part: str, split: str | None = None) -> pd.DataFrame:
    table = pd.read_parquet(world / part / "truth.parquet")
    return table if split is None else table[table["split"] == split]
