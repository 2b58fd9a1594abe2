"""Train, val and test of a folder without splits, by a hash of what must stay together: more videos move none."""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from clipvip.corpora.formats.annotation import Split
from clipvip.corpora.own.captions_table import Row
from clipvip.runtime.files import written

Together = Literal["file", "folder", "source"]
SHARES: tuple[tuple[Split, float], ...] = (("test", 0.2), ("val", 0.15))  # the rest is train
SPLITS: tuple[Split, ...] = ("train", "val", "test")
FOLDER = "splits"  # below the videos
HEADER = ("path", "text", "start", "end", "clip_id", "source_video")


def assign(groups: Iterable[str], *, seed: int = 0) -> dict[str, Split]:
    """A split of each group, by a hash of its name: 20 % test, 15 % val, as near as chance brings it.

    A split that chance leaves empty gets a group that another can spare. ValueError for fewer than four groups.
    """
    place = {group: _place(group, seed) for group in groups}
    order = sorted(place, key=lambda group: place[group])
    if len(order) < 4:
        raise ValueError(
            f"{len(order)} videos or sources with captions; splits need at least 4: two to train on, one for val, "
            "one for test"
        )
    found: dict[str, Split] = dict.fromkeys(order, "train")
    below = 0.0
    for split, share in SHARES:
        for group in order:
            if below <= place[group] < below + share:
                found[group] = split
        below += share
    for split, _ in SHARES:
        if split not in found.values():
            found[next(group for group in order if list(found.values()).count(found[group]) > 1)] = split
    for group in reversed(order):  # by chance all but one in val and test
        if list(found.values()).count("train") < 2 and list(found.values()).count(found[group]) > 1:
            found[group] = "train"
    return found


def _place(group: str, seed: int) -> float:
    """From 0 to 1."""
    hashed = hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(hashed[:8]) / 2**64


def split_rows(rows: Sequence[Row], together: Together, same: Mapping[str, str], *, seed: int = 0) -> list[Row]:
    """The rows with a split each; files of the same bytes (`same`: path -> first of them) share one."""
    group = {row.path: _group(row, together) for row in rows}
    joined: dict[str, str] = {}  # group -> the group it goes with, as a forest

    def root(name: str) -> str:
        while joined.get(name, name) != name:
            name = joined[name]
        return name

    for path, name in group.items():
        joined[root(name)] = root(group.get(same[path], name))
    split = assign({root(name) for name in group.values()}, seed=seed)
    return [replace(row, split=split[root(group[row.path])]) for row in rows]


def _group(row: Row, together: Together) -> str:
    if together == "source" and row.source:
        return f"source {row.source}"
    if together == "folder":
        return f"folder {PurePosixPath(row.path).parent}"
    return f"file {row.path}"


def write(rows: Sequence[Row], folder: Path) -> dict[Split, str]:
    """A csv a split below `folder`, in the columns of the folder format; split -> its path below the folder."""
    files: dict[Split, str] = {}
    for split in SPLITS:
        files[split] = f"{FOLDER}/{split}.csv"
        path = folder / files[split]
        try:
            with written(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(HEADER)
                own = (row for row in rows if row.split == split)
                writer.writerows((row.path, row.text, row.start, row.end, row.clip_id, row.source) for row in own)
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}; the splits are written below the videos") from None
    return files
