"""MSR-VTT: `MSRVTT_data.json` and the csv lists of the retrieval protocols.

"9k" (1k-A) and "7k" train on all captions of the listed videos and test on one sentence a video, taken from the csv
itself: it is not byte for byte one of the captions. "full" is the official split, all captions of every part.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats import authors
from clipvip.corpora.formats.annotation import Clip, Media, Split, csv_rows, field, find, find_any, json_file, places

SOURCE = "caption"
PROTOCOLS = ("9k", "7k", "full")
FOLDERS = ("MSRVTT_Videos", "videos", "videos/all", "TrainValVideo", "TestVideo")
SPLITS: dict[str, Split] = {"train": "train", "validate": "val", "val": "val", "test": "test"}


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """The clips of one protocol; ValueError for another protocol or an unknown split."""
    protocol = settings.protocol or PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise ValueError(f"msrvtt: protocol {protocol!r} is none of {', '.join(PROTOCOLS)}")
    if settings.annotations:
        yield from authors.read(root, settings, media, single=protocol != "full")
        return
    videos, captions, urls = _data(root)

    def clip(video_id: str, split: Split, texts: list[str]) -> Clip:
        return Clip(video_id, split, tuple(texts), media(video_id), origin=_youtube(urls.get(video_id, "")))

    if protocol == "full":
        for video_id, split in videos.items():
            if split not in SPLITS:
                raise ValueError(f"{root}: video {video_id!r} has split {split!r}; known: {', '.join(SPLITS)}")
            yield clip(video_id, SPLITS[split], captions[video_id])
        return
    for _, row in csv_rows(find(root, f"MSRVTT_train.{protocol}.csv"), "video_id"):
        yield clip(row["video_id"], "train", captions[row["video_id"]])
    for _, row in csv_rows(find(root, annotation_files.MSRVTT_TEST), "video_id", "sentence"):
        yield clip(row["video_id"], "test", [row["sentence"]])


def media(video_id: str) -> tuple[Media, ...]:
    """Where a video may lie."""
    return places(FOLDERS, (f"{video_id}.mp4", f"{video_id}.webm"))


def _youtube(url: str) -> str | None:
    """The id in https://www.youtube.com/watch?v=<id>; None in any other address."""
    return next(iter(parse_qs(urlsplit(url).query).get("v", [])), None)


def _data(root: Path) -> tuple[dict[str, str], dict[str, list[str]], dict[str, str]]:
    """Official split, captions and address by video; the captions of a video need not stand together in the file."""
    paths = [find_any(root, annotation_files.MSRVTT_DATA)]
    if paths == [None]:  # the original release came in two files
        names = ("train_val_videodatainfo.json", "test_videodatainfo.json")
        paths = [find_any(root, name) for name in names]
    if None in paths:
        paths = [find(root, annotation_files.MSRVTT_DATA)]  # raises, with the name to look for
    videos: dict[str, str] = {}
    urls: dict[str, str] = {}
    captions: defaultdict[str, list[str]] = defaultdict(list)
    for path in filter(None, paths):
        data: Any = json_file(path)
        for number, video in enumerate(field(data, "videos", path, "top")):
            video_id = field(video, "video_id", path, f"videos[{number}]")
            videos[video_id], urls[video_id] = str(video.get("split", "")), str(video.get("url", ""))
        for number, sentence in enumerate(field(data, "sentences", path, "top")):
            place = f"sentences[{number}]"
            captions[field(sentence, "video_id", path, place)].append(field(sentence, "caption", path, place))
    return videos, captions, urls
