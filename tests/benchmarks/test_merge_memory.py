"""Memory of putting captions of many shards together: 1 M rows, with BENCH_FULL 10 M, in a process of its own.

`python test_merge_memory.py ROWS FOLDER` merges the shards in a folder and prints what the table tells as JSON.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from extent import FULL
from manifest_stages import CLIPS_OF_A_VIDEO, peak_mb

from clipvip.corpora.captions.captions_stage import merge

ROOT = Path(__file__).parents[2]
ROWS = 10_000_000 if FULL else 1_000_000
SHARDS = 8
MOST_MB = 700  # over the libraries, whatever the number of rows


def shards(rows: int, folder: Path) -> None:
    """Captions as captioning leaves them: names as those of HD-VILA, each shard in an order of its own."""
    for shard in range(SHARDS):
        start, stop = rows * shard // SHARDS, rows * (shard + 1) // SHARDS
        numbers = np.random.default_rng(shard).permutation(np.arange(start, stop)).tolist()
        ids = [f"{(n // CLIPS_OF_A_VIDEO) * 2654435761 % 2**40:011x}.{n % CLIPS_OF_A_VIDEO}.mp4" for n in numbers]
        said = [f"a man in a red shirt is standing in front of number {n}" for n in numbers]
        told = {"frame": 0, "caption": said, "reason": None, "seconds": 0.01, "model": "git/0123456789ab"}
        table = pd.DataFrame({"clip_id": ids, **told}).astype({"caption": "str", "reason": "str"})
        table.to_parquet(folder / f"shard-{shard}-of-{SHARDS}.parquet", index=False)


def merged(rows: int, folder: Path) -> dict[str, Any]:
    """Figures of merging, in a process that does nothing else."""
    shards(rows, folder)
    place = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    done = subprocess.run(
        [sys.executable, __file__, str(rows), str(folder)], env=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    print(
        f"\ncaptions of {rows:,} clips in {SHARDS} shards, merged: {rows / figures['seconds']:,.0f} rows/s, "
        f"{figures['peak_mb']:.0f} MB, {figures['before_mb']:.0f} of them libraries"
    )
    return figures


@pytest.mark.slow  # half a minute; with BENCH_FULL five
def test_merging_stays_small(tmp_path: Path) -> None:
    figures = merged(ROWS, tmp_path)
    assert figures["peak_mb"] - figures["before_mb"] < MOST_MB


def test_few_rows_are_merged_in_order(tmp_path: Path) -> None:
    assert merged(3000, tmp_path)["captions"] == 3000
    found = pq.read_table(tmp_path / "out" / "captions.parquet")["clip_id"].to_pylist()
    assert found == sorted(found)
    assert len(set(found)) == 3000


if __name__ == "__main__":
    count, where = int(sys.argv[1]), Path(sys.argv[2])
    (where / "out").mkdir()
    before, began = peak_mb(), time.perf_counter()
    facts = merge(sorted(where.glob("shard-*.parquet")), where / "out")
    took = time.perf_counter() - began
    assert facts["captions"] == count, facts
    print(json.dumps({"captions": count, "seconds": took, "before_mb": before, "peak_mb": peak_mb()}))
