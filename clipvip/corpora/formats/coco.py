"""COCO captions: `annotations/captions_{train,val}2017.json`, or the 2014 files in the same form."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import TypedDict

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Split, find, find_any, places
from clipvip.corpora.formats.border import Border, Kind, Name, Text, json_object, member

SOURCE = "caption"
SPLITS: tuple[Split, ...] = ("train", "val")
YEARS = ("2017", "2014")


class Image(TypedDict):
    """A record of `images`."""

    id: int | Name
    file_name: Name  # never built: 2014 names carry a prefix


class Note(TypedDict):
    """A record of `annotations`."""

    image_id: int | Name
    caption: Text


IMAGE, NOTE = Kind[Image](Image), Kind[Note](Note)


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """One clip of one image, with all of its captions; val where it is there."""
    train = find(root, *(f"captions_train{year}.json" for year in YEARS))
    year = next(year for year in YEARS if year in train.name)
    for split in SPLITS:
        path = find_any(root, f"captions_{split}{year}.json")
        if path is None:
            continue
        data = json_object(path)
        captions: defaultdict[int | str, list[str]] = defaultdict(list)  # annotations are not grouped by image
        for _, note in border.listed(NOTE, member(data, "annotations", path), path, "annotations"):
            captions[note["image_id"]].append(note["caption"])
        folders = (f"{split}{year}", f"images/{split}{year}", "images", "videos")
        for _, image in border.listed(IMAGE, member(data, "images", path), path, "images"):
            clip_id = str(image["id"])
            yield Clip(clip_id, split, tuple(captions[image["id"]]), places(folders, [image["file_name"]]))
