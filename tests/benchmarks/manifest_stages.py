"""What a corpus of many rows goes through, one stage a process: `python manifest_stages.py STAGE ROWS FOLDER` prints
rows, seconds and the peak of resident memory as JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clipvip.config.data import CorpusSettings
from clipvip.corpora import corpus_stage
from clipvip.data import manifest
from clipvip.data.clip_files import Places
from clipvip.data.clip_ids import Ids
from clipvip.data.subsets import nested
from clipvip.data.text_store import Sentences
from clipvip.runtime.context import Run

CLIPS_OF_A_VIDEO = 31
CAPTIONED = 0.9  # share of the clips that have a caption
READ = 200_000  # rows of the epoch that are read


def rows_of(start: int, stop: int, phrases: list[str]) -> pd.DataFrame:
    """Rows as of HD-VILA: names as long, 32 words a subtitle, an id a row."""
    numbers = range(start, stop)
    videos = [f"{(number // CLIPS_OF_A_VIDEO) * 2654435761 % 2**40:011x}" for number in numbers]
    ids = [f"{video}.{number % CLIPS_OF_A_VIDEO}.mp4" for video, number in zip(videos, numbers, strict=True)]
    first, second = np.random.default_rng(start).integers(len(phrases), size=(2, stop - start)).tolist()
    texts = [f"{phrases[a]} {phrases[b]}" for a, b in zip(first, second, strict=True)]
    paths = [f"video_clips/{video}/{clip_id}" for video, clip_id in zip(videos, ids, strict=True)]
    rows = pd.DataFrame({"clip_id": ids, "path": paths, "text": texts})
    return rows.assign(start=None, end=None, source="subtitle", split="train")


def annotations(rows: int, folder: Path) -> int:
    """A csv of a tenth of the rows, stretches of one file, to a manifest as the corpus stage makes it."""
    count = max(1, rows // 10)
    root = folder / "annotated"
    root.mkdir(parents=True)
    (root / "long.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(8))
    with open(root / "annotations.csv", "w") as file:
        file.write("clip_id,path,start,end,text\n")
        file.writelines(f"clip-{i:011x},long.mp4,{i},{i + 1},{'a word or more ' * 10}{i}\n" for i in range(count))
    made = corpus_stage.make(CorpusSettings(format="folder", root=str(root)), {}, root, Run(work=root))
    assert made["clips"] == made["texts"] == count
    return count


def write(rows: int, folder: Path) -> int:
    """The manifest; the rows are made here too, which takes most of the time."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("aeiouklmnrst"), size=size)) for size in rng.integers(2, 8, 3000)]
    phrases = [" ".join(rng.choice(words, 16)) for _ in range(5000)]
    with manifest.Writer(folder, root=folder, format="hdvila") as out:
        for start in range(0, rows, manifest.PART):
            out.add(rows_of(start, min(rows, start + manifest.PART), phrases))
    return rows


def subset(rows: int, folder: Path) -> int:
    """A tenth of the clips, and a half that holds it."""
    ids = manifest.clip_ids(folder, split="train")
    tenth, half = (nested(ids, rows // part, seed=0) for part in (10, 2))
    assert list(half[: len(tenth)]) == list(tenth)
    return rows


def captions(rows: int, folder: Path) -> int:
    """Captions of most clips, by clip id, as captioning leaves them."""
    ids = manifest.clip_ids(folder)
    order = np.random.default_rng(1).permutation(len(ids))[: int(CAPTIONED * len(ids))]
    file: Any = None
    for start in range(0, len(order), manifest.PART):
        own = list(ids.take(order[start : start + manifest.PART]))
        part = pa.table({"clip_id": own, "caption": [f"a caption of the clip {i}" for i in own]})
        file = file or pq.ParquetWriter(folder / "captions.parquet", part.schema)
        file.write_table(part)
    file.close()
    return len(order)


def join(rows: int, folder: Path) -> int:
    """Subtitles and captions of every clip to where a run draws them from."""
    ids = manifest.clip_ids(folder, split="train")
    Sentences.write(manifest.scan(folder, ["clip_id", "text"], split="train"), ids, folder / "subtitles")
    written = pq.ParquetFile(folder / "captions.parquet").iter_batches(manifest.PART, columns=["clip_id", "caption"])
    Sentences.write(written, ids, folder / "captions")
    return rows


def read(rows: int, folder: Path) -> tuple[int, float]:
    """An epoch's order over all clips; the file, subtitle and caption of the first READ of it, once all is open."""
    places = Places(folder)
    drawn = _drawn(places, places.ids, folder)
    next(drawn)
    began = time.perf_counter()
    found = 1 + sum(1 for _ in drawn)
    assert found == min(READ, rows)
    return found, time.perf_counter() - began


def _drawn(places: Places, ids: Ids, folder: Path) -> Iterator[tuple[str, str, str | None]]:
    subtitles, captions = Sentences(folder / "subtitles", ids), Sentences(folder / "captions", ids)
    captioned = 0
    order = np.random.default_rng([0, 0]).permutation(len(ids))[:READ]
    for position in order.tolist():
        clip_id = ids[position]
        (subtitle,), caption = subtitles[clip_id], captions.get(clip_id)
        captioned += caption is not None
        yield places[clip_id].path, subtitle, caption[0] if caption else None
    assert abs(captioned / len(order) - CAPTIONED) < 0.05


def peak_mb() -> float:
    """Of resident memory; not by `ru_maxrss` on Linux, which starts at that of the process that started this one."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


STAGES: dict[str, Callable[[int, Path], Any]] = {
    "annotated": annotations,
    "write": write,
    "subset": subset,
    "captions": captions,
    "join": join,
    "read": read,
}


if __name__ == "__main__":
    stage, count, place = sys.argv[1:]
    began = time.perf_counter()
    done = STAGES[stage](int(count), Path(place))
    whole = time.perf_counter() - began
    number, seconds = done if isinstance(done, tuple) else (done, whole)
    print(json.dumps({"stage": stage, "rows": number, "seconds": seconds, "whole": whole, "peak_mb": peak_mb()}))
