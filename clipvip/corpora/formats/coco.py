"""COCO captions: `annotations/captions_{train,val}2017.json`, or the 2014 files in the same form."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Split, field, find, find_any, json_file, places

SOURCE = "caption"
SPLITS: tuple[Split, ...] = ("train", "val")
YEARS = ("2017", "2014")


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """One clip of one image, with all of its captions; val where it is there."""
    train = find(root, *(f"captions_train{year}.json" for year in YEARS))
    year = next(year for year in YEARS if year in train.name)
    for split in SPLITS:
        path = find_any(root, f"captions_{split}{year}.json")
        if path is None:
            continue
        data = json_file(path)
        captions: defaultdict[int, list[str]] = defaultdict(list)  # annotations are not grouped by image
        for number, note in enumerate(field(data, "annotations", path, "top")):
            place = f"annotations[{number}]"
            captions[field(note, "image_id", path, place)].append(field(note, "caption", path, place))
        for number, image in enumerate(field(data, "images", path, "top")):
            image_id = field(image, "id", path, f"images[{number}]")
            name = field(image, "file_name", path, f"images[{number}]")  # never built: 2014 names carry a prefix
            folders = (f"{split}{year}", f"images/{split}{year}", "images", "videos")
            yield Clip(str(image_id), split, tuple(captions[image_id]), places(folders, [name]))
