"""The files of MSR-VTT: captions of every video, and lists of the videos of a split.

Captions stand in `MSRVTT_data.json`, in the two files of the first release, or in `annotation/MSR_VTT.json` as
Frozen-in-time distributes them; the last knows no addresses, and its splits are lists below `high-quality`.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from clipvip.corpora import annotation_files
from clipvip.corpora.formats.annotation import find, find_any
from clipvip.corpora.formats.border import Border, Kind, Name, Text, json_object, member

LISTS = "high-quality/structured-symlinks"
FULL = {"train": "train_list_full.txt", "val": "val_list_full.txt", "test": "test_list_full.txt"}


class Sentence(TypedDict):
    """A record of `sentences`."""

    video_id: Name
    caption: Text


class Note(TypedDict):
    """A record of `annotations` in the layout of Frozen-in-time."""

    image_id: Name
    caption: Text


Video = TypedDict(
    "Video",
    {
        "video_id": Name,
        "split": NotRequired[str | None],
        "url": NotRequired[str | None],
        "start time": NotRequired[float | None],  # seconds
        "end time": NotRequired[float | None],
    },
)
SENTENCE, NOTE, VIDEO = Kind[Sentence](Sentence), Kind[Note](Note), Kind[Video](Video)


@dataclass
class Captions:
    """By video: its captions, its official split, its address, and its stretch of the video there (seconds)."""

    texts: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    splits: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    cuts: dict[str, tuple[float, float]] = field(default_factory=dict)


def captions(root: Path, border: Border) -> Captions:
    """Of the layout that is there; the captions of a video need not stand together in the file."""
    found, paths = Captions(), [find_any(root, annotation_files.MSRVTT_DATA)]
    frozen = find_any(root, annotation_files.MSRVTT_FROZEN)
    if paths == [None]:  # the original release came in two files
        names = ("train_val_videodatainfo.json", "test_videodatainfo.json")
        paths = [find_any(root, name) for name in names]
    if None in paths and frozen is not None:
        notes = member(json_object(frozen), "annotations", frozen)
        for _, note in border.listed(NOTE, notes, frozen, "annotations"):
            found.texts[note["image_id"]].append(note["caption"])
        return found
    if None in paths:
        paths = [find(root, annotation_files.MSRVTT_DATA, annotation_files.MSRVTT_FROZEN)]  # raises, with the names
    for path in filter(None, paths):
        data = json_object(path)
        for _, video in border.listed(VIDEO, member(data, "videos", path), path, "videos"):
            _take(video, found)
        for _, sentence in border.listed(SENTENCE, member(data, "sentences", path), path, "sentences"):
            found.texts[sentence["video_id"]].append(sentence["caption"])
    return found


def _take(video: Any, found: Captions) -> None:
    video_id = video["video_id"]
    found.splits[video_id], found.urls[video_id] = video.get("split") or "", video.get("url") or ""
    start, end = video.get("start time"), video.get("end time")
    if start is not None and end is not None and 0 <= start < end < math.inf:
        found.cuts[video_id] = (start, end)


def split_lists(root: Path, border: Border) -> dict[str, str]:
    """Video -> official split by the lists; empty where they are not there. ValueError where some are."""
    if find_any(root, annotation_files.MSRVTT_DATA) or not find_any(root, annotation_files.MSRVTT_FROZEN):
        return {}
    return {video_id: split for split, name in FULL.items() for video_id in _names(root, name, border)}


def train_list(root: Path, protocol: str, border: Border) -> list[str]:
    """The videos that a protocol trains on: the csv, or the lists of the other layout. ValueError names what lacks."""
    path = find_any(root, f"MSRVTT_train.{protocol}.csv")
    if path is not None:
        rows = border.csv_rows(path, "video_id")
        return [row["video_id"] for n, row in rows if border.is_name(row["video_id"], path, f"line {n}")]
    if find_any(root, annotation_files.MSRVTT_FROZEN):
        lists = ("train_list_jsfusion.txt",) if protocol == "9k" else (FULL["train"], FULL["val"])
        return [video_id for name in lists for video_id in _names(root, name, border)]
    other = "7k" if protocol == "9k" else "9k"
    if find_any(root, f"MSRVTT_train.{other}.csv"):
        raise ValueError(
            f"{root}: no MSRVTT_train.{protocol}.csv, but that of {other}; set `protocol: {other}`, or add the file"
        )
    return [str(find(root, f"MSRVTT_train.{protocol}.csv"))]  # raises


def _names(root: Path, name: str, border: Border) -> Iterator[str]:
    for _, line in border.lines(find(root, f"{LISTS}/{name}", name)):
        yield line.strip()
