"""A corpus as tar shards of small clips, in an order drawn once: what a training reads from front to back.

Each clip is decoded once, from its stretch of its file, thinned, resized to the square that a model takes, and kept as
single JPEG pictures. The shards are WebDataset's (`<key>.mkv` and `<key>.json` with clip_id and text) and are read as
a corpus of the format `webdataset`. In the folder also lie `unreadable.csv` and `prepared.json`, the receipt.
"""

import csv
import io
import json
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from clipvip.config.data import FramesSettings
from clipvip.corpora.prepare import JOURNALS, RECEIPT, RECIPE, same_recipe
from clipvip.data import manifest
from clipvip.data.clips import Clips
from clipvip.data.media import still_frames
from clipvip.data.media.file_header import VideoError
from clipvip.data.unreadable import UNREADABLE
from clipvip.runtime.files import write_whole, written


@dataclass(frozen=True)
class ShardRecipe:
    """How clips are made small and put together."""

    clips: int = 1000  # of a shard
    fps: float = 3.0  # frames a second at most
    side: int = 224  # of the square, pixels: `frames.size` of the experiment
    resize: str = "squash"  # `frames.resize`
    antialias: bool = True  # `frames.antialias`
    quality: int = 2  # MJPEG's quantiser: lower is better and larger
    seed: int = 0  # of the order

    def __post_init__(self) -> None:
        if self.clips < 1 or self.fps <= 0 or self.side < 2 or not 1 <= self.quality <= 31:
            raise ValueError(f"{self}: clips at least 1, fps above 0, side at least 2, quality from 1 to 31")


def write_shards(
    corpus: Path, out: Path, recipe: ShardRecipe, *, processes: int = 1, shard: int = 0, num_shards: int = 1
) -> dict[str, Any]:
    """Write every `num_shards`-th tar, from `shard` on, of the training clips of a finished corpus cell; the receipt,
    whole once all are there. Tars that lie there are not made again.

    Raises ValueError for an `out` begun with another recipe or corpus, and where no clip can be read.
    """
    if not 0 <= shard < num_shards:
        raise ValueError(f"shard {shard} of {num_shards}: shards count from 0 to {num_shards - 1}")
    journals = out / JOURNALS
    journals.mkdir(parents=True, exist_ok=True)
    ids = manifest.clip_ids(corpus, split="train")
    if not len(ids):
        raise ValueError(f"{corpus}: no clip for training")
    same_recipe(journals / RECIPE, {**asdict(recipe), "clips_in_all": len(ids)})
    count = -(-len(ids) // recipe.clips)
    todo = [n for n in range(shard, count, num_shards) if not (journals / f"{n:06d}.json").is_file()]
    with tqdm(total=len(todo), desc="shards", unit="shard", disable=None) as bar:
        for _ in _made(todo, partial(_shard, corpus, out, recipe), processes):
            bar.update()
    made = sorted(journals.glob("[0-9]*.json"))
    if len(made) < count:
        return {"shards": count, "done": len(made)}
    return _finish(made, out, recipe)


def _made(todo: list[int], make: Any, processes: int) -> Iterator[None]:
    if processes == 1:
        yield from map(make, todo)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(make, todo)


def _shard(corpus: Path, out: Path, recipe: ShardRecipe, number: int) -> None:
    """One tar, and the note that it is done."""
    ids = manifest.clip_ids(corpus, split="train")
    order = np.random.default_rng(recipe.seed).permutation(len(ids))
    own = ids.take(order[number * recipe.clips : (number + 1) * recipe.clips])
    texts = _texts(corpus, set(own))
    frames = FramesSettings.model_validate(
        {"size": recipe.side, "resize": recipe.resize, "antialias": recipe.antialias, "fps": recipe.fps}
    )
    clips, bad, seen = Clips(corpus, None, frames), dict[str, str](), 0
    target = out / f"{number:06d}.tar"
    with written(target) as beside, tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as tar:
        for place, clip_id in enumerate(own):
            try:
                pictures = clips.chosen(clip_id, np.arange)
            except VideoError as error:
                bad[clip_id] = error.reason
                continue
            seen += len(pictures)
            said = {"clip_id": clip_id, "text": texts[clip_id]}
            _add(tar, f"{place:06d}.mkv", still_frames.encode(pictures, recipe.fps, recipe.quality))
            _add(tar, f"{place:06d}.json", json.dumps(said, ensure_ascii=False).encode())
    note = {"clips": len(own) - len(bad), "frames": seen, "bytes": target.stat().st_size, "unreadable": bad}
    write_whole(out / JOURNALS / f"{number:06d}.json", json.dumps(note))


def _texts(corpus: Path, own: set[str]) -> dict[str, list[str]]:
    """Texts of these clips, in order."""
    found: dict[str, list[str]] = {}
    for batch in manifest.scan(corpus, ["clip_id", "text"], split="train"):
        for clip_id, text in zip(batch["clip_id"].to_pylist(), batch["text"].to_pylist(), strict=True):
            if clip_id in own:
                found.setdefault(clip_id, []).append(text)
    return found


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


def _finish(made: list[Path], out: Path, recipe: ShardRecipe) -> dict[str, Any]:
    notes = [json.loads(path.read_text()) for path in made]
    bad = {clip_id: reason for note in notes for clip_id, reason in note["unreadable"].items()}
    with written(out / UNREADABLE) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("clip_id", "reason"), *sorted(bad.items())])
    receipt = {
        "shards": len(made),
        "done": len(made),
        "clips": sum(note["clips"] for note in notes),
        "frames": sum(note["frames"] for note in notes),
        "num_unreadable": len(bad),
        "bytes": sum(note["bytes"] for note in notes),
        "recipe": asdict(recipe),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if not receipt["clips"]:
        raise ValueError(f"{out}: not one clip could be read; {UNREADABLE} there says why")
    write_whole(out / RECEIPT, json.dumps(receipt, indent=1) + "\n")
    return receipt
