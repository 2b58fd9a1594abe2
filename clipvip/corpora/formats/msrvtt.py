"""MSR-VTT: its captions, in any of three public layouts, and the lists of the retrieval protocols.

"9k" (1k-A) and "7k" train on all captions of the listed videos and test on one sentence a video, taken from the csv
itself: it is not byte for byte one of the captions. "full" is the official split, all captions of every part.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats import authors
from clipvip.corpora.formats.annotation import Clip, Media, Split, find, find_any, places
from clipvip.corpora.formats.border import Border
from clipvip.corpora.formats.msrvtt_files import Captions, captions, split_lists, train_list

SOURCE = "caption"
PROTOCOLS = ("9k", "7k", "full")
FOLDERS = ("MSRVTT_Videos", "videos", "videos/all", "TrainValVideo", "TestVideo")
SPLITS: dict[str, Split] = {"train": "train", "validate": "val", "val": "val", "test": "test"}


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """The clips of one protocol; ValueError for another protocol. A video of an unknown split is set aside."""
    protocol = settings.protocol or PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise ValueError(f"msrvtt: protocol {protocol!r} is none of {', '.join(PROTOCOLS)}")
    if settings.annotations:
        yield from authors.read(root, settings, media, border, single=protocol != "full")
        return
    found = captions(root, border)
    if protocol == "full":
        for video_id, split in (split_lists(root, border) or found.splits).items():
            if split in SPLITS:
                yield _clip(found, video_id, SPLITS[split], found.texts.get(video_id, []))
            else:
                border.set_aside(root, f"video {video_id!r}", f"split {split!r}; known: {', '.join(SPLITS)}")
        return
    listed = train_list(root, protocol, border)
    test = _test_file(root)
    for video_id in listed:
        yield _clip(found, video_id, "train", found.texts.get(video_id, []))
    for number, row in border.csv_rows(test, "video_id", "sentence"):
        if border.is_name(row["video_id"], test, f"line {number}"):
            yield _clip(found, row["video_id"], "test", [row["sentence"]])


def media(video_id: str) -> tuple[Media, ...]:
    """Where a video may lie."""
    return places(FOLDERS, (f"{video_id}.mp4", f"{video_id}.webm"))


def _clip(found: Captions, video_id: str, split: Split, texts: list[str]) -> Clip:
    origin = _youtube(found.urls.get(video_id, ""))
    return Clip(video_id, split, tuple(texts), media(video_id), origin, found.cuts.get(video_id))


def _youtube(url: str) -> str | None:
    """The id in https://www.youtube.com/watch?v=<id>; None in any other address."""
    try:
        return next(iter(parse_qs(urlsplit(url).query).get("v", [])), None)
    except ValueError:  # no address at all
        return None


def _test_file(root: Path) -> Path:
    path = find_any(root, annotation_files.MSRVTT_TEST)
    if path is None and find_any(root, annotation_files.MSRVTT_FROZEN):
        raise ValueError(
            f"{root}: no {annotation_files.MSRVTT_TEST}; in this layout the sentence of each test video is told by a "
            "pickle, which is not read: put that csv beside it, or set `protocol: full`"
        )
    return path or find(root, annotation_files.MSRVTT_TEST)
