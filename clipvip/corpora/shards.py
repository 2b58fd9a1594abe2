"""A corpus as tar shards of small clips, in an order drawn once: what a training reads from front to back.

Each clip is decoded once, from its stretch of its file, thinned, resized to the square that a model takes, and kept as
single JPEG pictures. The shards are WebDataset's (`<key>.mkv` and `<key>.json` with clip_id and text) and are read as
a corpus of the format `webdataset`. In the folder also lie `unreadable.csv` and `prepared.json`, the receipt.
"""

import csv
import io
import json
import shutil
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from clipvip.config.data import FramesSettings
from clipvip.corpora.prepare import JOURNALS, RECEIPT, RECIPE, same_recipe
from clipvip.data import manifest
from clipvip.data.clip_ids import Ids
from clipvip.data.clips import Clips
from clipvip.data.media import still_frames
from clipvip.data.media.file_header import VideoError
from clipvip.data.text_store import Sentences
from clipvip.data.unreadable import UNREADABLE
from clipvip.runtime.files import write_whole, written


@dataclass(frozen=True)
class ShardRecipe:
    """How clips are made small and put together."""

    clips: int = 1000  # of a shard
    fps: float = 3.0  # frames a second at most
    side: int = 224  # of the square, pixels: `frames.size` of the experiment
    resize: Literal["squash", "crop"] = "squash"  # `frames.resize`
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
    if todo:
        written_in = journals / f"texts-{shard}-of-{num_shards}"
        Sentences.write(manifest.scan(corpus, ["clip_id", "text"], split="train"), ids, written_in)
        with tqdm(total=len(todo), desc="shards", unit="shard", disable=None) as bar:
            for _ in _made(todo, _Source.of(corpus, ids, written_in, out, recipe), processes):
                bar.update()
        shutil.rmtree(written_in)
    made = sorted(journals.glob("[0-9]*.json"))
    if len(made) < count:
        return {"shards": count, "done": len(made)}
    return _finish(made, out, recipe)


@dataclass(frozen=True)
class _Source:
    """What every tar is made from, read once and shared by the processes."""

    ids: Ids
    order: np.ndarray
    clips: Clips
    texts: Sentences
    out: Path
    recipe: ShardRecipe

    @classmethod
    def of(cls, corpus: Path, ids: Ids, texts: Path, out: Path, recipe: ShardRecipe) -> "_Source":
        frames = FramesSettings(size=recipe.side, resize=recipe.resize, antialias=recipe.antialias, fps=recipe.fps)
        order = np.random.default_rng(recipe.seed).permutation(len(ids))
        return cls(ids, order, Clips(corpus, None, frames), Sentences(texts, ids), out, recipe)


_given: list[_Source] = []  # in a process of the pool


def _made(todo: list[int], source: _Source, processes: int) -> Iterator[int]:
    if processes == 1:
        for number in todo:
            yield _shard(source, number)
        return
    with ProcessPoolExecutor(processes, initializer=_given.append, initargs=(source,)) as pool:
        yield from pool.map(_given_shard, todo)


def _given_shard(number: int) -> int:
    return _shard(_given[0], number)


def _shard(source: _Source, number: int) -> int:
    """One tar, and the note that it is done; its number."""
    recipe, bad, seen = source.recipe, dict[str, str](), 0
    own = source.ids.take(source.order[number * recipe.clips : (number + 1) * recipe.clips])
    target = source.out / f"{number:06d}.tar"
    with written(target) as beside, tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as tar:
        for place, clip_id in enumerate(own):
            try:
                pictures = source.clips.chosen(clip_id, np.arange)
            except VideoError as error:
                bad[clip_id] = error.reason
                continue
            seen += len(pictures)
            said = {"clip_id": clip_id, "text": source.texts[clip_id]}
            add(tar, f"{place:06d}.mkv", still_frames.encode(pictures, recipe.fps, recipe.quality))
            add(tar, f"{place:06d}.json", json.dumps(said, ensure_ascii=False).encode())
    note = {"clips": len(own) - len(bad), "frames": seen, "bytes": target.stat().st_size, "unreadable": bad}
    write_whole(source.out / JOURNALS / f"{number:06d}.json", json.dumps(note))
    return number


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Append a member that holds nothing of the machine or the time."""
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
