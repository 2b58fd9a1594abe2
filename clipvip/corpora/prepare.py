"""A corpus, or any folder, made small: every video transcoded under its own relative path, all else copied.

The new folder is therefore read as the same corpus: only `root` changes. In it lie `checksums.csv` (sha256 of every
video and image), `unreadable.csv` (path, reason) and `prepared.json`, the receipt. The work is cut into shards by a
hash of the path; each keeps a journal in `.prepare/`, by which it goes on where it stopped.
"""

import csv
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError, check_header, is_image
from clipvip.data.media.transcode import Recipe, transcode
from clipvip.data.unreadable import UNREADABLE
from clipvip.runtime.files import write_whole, written
from clipvip.runtime.legible import cell

ANNOTATIONS = frozenset({".csv", ".tsv", ".json", ".jsonl", ".txt", ".md", ".srt", ".vtt", ".parquet", ".xlsx", ".pdf"})
JOURNALS = ".prepare"
RECIPE = "recipe.json"  # in there: by what the folder was begun
RECEIPT = "prepared.json"
AHEAD = 4  # files handed to a process before its answer is read


@dataclass(frozen=True)
class Done:
    """One line of a journal: a file of the source as it was, and what became of it."""

    path: str
    source_bytes: int
    source_time: int  # nanoseconds
    bytes: int = 0
    sha256: str = ""
    frames: int = 0
    reason: str = ""  # why it could not be read; empty if it could

    def of(self, source: Path) -> bool:
        """Whether the source is still that file."""
        stat = source.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.source_bytes, self.source_time)


def prepare(
    sources: list[Path], out: Path, recipe: Recipe, *, processes: int = 1, shard: int = 0, num_shards: int = 1
) -> dict[str, Any]:
    """Prepare shard `shard` of `num_shards` of the files below `sources`; the receipt, whole once all shards are done.

    Raises ValueError for a source that is no folder, a name that two sources share, another recipe than `out` was begun
    with, and where no file is left that can be read.
    """
    files = _files(sources, out)
    if not 0 <= shard < num_shards:
        raise ValueError(f"shard {shard} of {num_shards}: shards count from 0 to {num_shards - 1}")
    journals = out / JOURNALS
    journals.mkdir(parents=True, exist_ok=True)
    same_recipe(journals / RECIPE, asdict(recipe))
    done = _read(journals, files, out)
    own = {path: source for path, source in files.items() if _shard_of(path, num_shards) == shard and path not in done}
    path = journals / f"{shard}-of-{num_shards}.jsonl"
    torn = path.exists() and not path.read_bytes().endswith(b"\n")  # by a kill
    with open(path, "a", encoding="utf-8") as journal:
        journal.write("\n" if torn else "")
        for entry in tqdm(
            _work(own, out, recipe, processes), total=len(own), desc="prepare", unit="file", disable=None
        ):
            journal.write(json.dumps(asdict(entry)) + "\n")
            journal.flush()
            done[entry.path] = entry
    if len(done) < len(files):
        return {"files": len(files), "done": len(done)}
    return _finish(done, out, recipe)


def _files(sources: list[Path], out: Path) -> dict[str, Path]:
    """Relative path -> file, hidden ones left out."""
    files: dict[str, Path] = {}
    for root in sources:
        if not root.is_dir():
            raise ValueError(f"{root}: no such folder to prepare")
        if out.resolve().is_relative_to(root.resolve()) or root.resolve().is_relative_to(out.resolve()):
            raise ValueError(f"{out}: lies in the source {root}, or the source in it; give a folder beside it")
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root)
            if not path.is_file() or any(part.startswith(".") for part in name.parts):
                continue
            if name.as_posix() in files:
                raise ValueError(f"{path}: {files[name.as_posix()]} has the same name; prepare them into two folders")
            files[name.as_posix()] = path
    if not files:
        raise ValueError(f"{', '.join(map(str, sources))}: no files")
    return files


def same_recipe(path: Path, recipe: dict[str, Any]) -> None:
    """Note down by what a folder is begun; ValueError where it was begun by something else."""
    if not path.exists():
        write_whole(path, json.dumps(recipe))
    elif json.loads(path.read_text()) != recipe:
        raise ValueError(f"{path.parents[1]}: was begun with {path.read_text()}; give the same, or another --out")


def _read(journals: Path, files: dict[str, Path], out: Path) -> dict[str, Done]:
    """What is done of today's files; a file that changed, or whose copy is gone, is done again."""
    done: dict[str, Done] = {}
    for path in sorted(journals.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("}\n"):  # a kill may have cut the last one
                entry = Done(**json.loads(line))
                made = out / entry.path
                there = bool(entry.reason) or (made.is_file() and made.stat().st_size == entry.bytes)
                if entry.path in files and entry.of(files[entry.path]) and there:
                    done[entry.path] = entry
    return done


def _shard_of(path: str, num_shards: int) -> int:
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest()) % num_shards


def _work(files: dict[str, Path], out: Path, recipe: Recipe, processes: int) -> Iterator[Done]:
    if processes == 1:
        for path, source in files.items():
            yield _one(path, source, out, recipe)
        return
    waiting = iter(files.items())
    with ProcessPoolExecutor(processes) as pool:
        running = {pool.submit(_one, *pair, out, recipe) for pair in islice(waiting, AHEAD * processes)}
        while running:
            finished = next(as_completed(running))
            running.remove(finished)
            yield finished.result()
            running |= {pool.submit(_one, *pair, out, recipe) for pair in islice(waiting, 1)}


def _one(path: str, source: Path, out: Path, recipe: Recipe) -> Done:
    """Transcode or copy one file."""
    stat, target = source.stat(), out / path
    seen = Done(path, stat.st_size, stat.st_mtime_ns)
    try:
        if source.suffix.lower() in ANNOTATIONS:
            return replace(seen, bytes=_copy(source, target))
        check_header(source)
        frames = 1 if is_image(source) else transcode(source, target, recipe)
        if is_image(source):
            _copy(source, target)
    except VideoError as error:
        return replace(seen, reason=error.reason)
    made = checksums.of(target)
    return replace(seen, bytes=made.bytes, sha256=made.sha256, frames=frames)


def _copy(source: Path, target: Path) -> int:
    """Copied; how many bytes."""
    with written(target) as beside:
        shutil.copyfile(source, beside)
    return target.stat().st_size


def _finish(done: dict[str, Done], out: Path, recipe: Recipe) -> dict[str, Any]:
    """The tables and the receipt of the whole folder."""
    bad = sorted((entry.path, entry.reason) for entry in done.values() if entry.reason)
    media = {entry.path: checksums.Sum(entry.bytes, entry.sha256) for entry in done.values() if entry.sha256}
    with written(out / UNREADABLE) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("path", "reason"), *((cell(path), cell(reason)) for path, reason in bad)])
    if not media:
        raise ValueError(f"{out}: not one video or image could be read; {UNREADABLE} there says why")
    checksums.write(media, out)
    prepared = [entry for entry in done.values() if entry.sha256]
    receipt = {
        "files": len(done),
        "done": len(done),
        "videos": sum(not is_image(entry.path) for entry in prepared),
        "images": sum(is_image(entry.path) for entry in prepared),
        "annotations": sum(not entry.sha256 and not entry.reason for entry in done.values()),
        "num_unreadable": len(bad),
        "source_bytes": sum(entry.source_bytes for entry in prepared),
        "bytes": sum(entry.bytes for entry in prepared),
        "recipe": asdict(recipe),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_whole(out / RECEIPT, json.dumps(receipt, indent=1) + "\n")
    return receipt
