"""DiDeMo: `{train,val,test}_data.json`, and the lists of the retrieval split where they are there.

The descriptions of one video are joined to one paragraph. A video is the name without its ending (the same recording
occurs with two endings), its descriptions stand in the order of their moments, as in the annotations CLIP-ViP used.
Only the first 30 seconds were annotated, so only these are the clip.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats import authors
from clipvip.corpora.formats.annotation import (
    ENDINGS,
    Clip,
    Media,
    Split,
    field,
    find,
    find_any,
    json_file,
    lines,
    paragraph,
    places,
)

SOURCE = "paragraph"
FOLDERS = ("videos", "", "video")
ANNOTATED = 30.0  # seconds
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Moment = tuple[int, int]


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """One clip a recording, with its paragraph; without a list all annotated recordings count."""
    if settings.annotations:
        yield from authors.read(root, settings, lambda stem: _media(stem, [stem]), paragraphs=True)
        return
    for split in SPLITS:
        path, listed = (
            find(root, annotation_files.DIDEMO_DATA.format(split)),
            find_any(root, annotation_files.DIDEMO_LIST.format(split)),
        )
        names: defaultdict[str, dict[str, None]] = defaultdict(dict)  # stem -> its full names, in order
        for _, line in lines(listed) if listed else ():
            names[_stem(line.strip())][line.strip()] = None
        wanted = set(names)
        said: defaultdict[str, list[tuple[Moment, str]]] = defaultdict(list)
        for number, record in enumerate(json_file(path)):
            place = f"record {number}"
            name, text = field(record, "video", path, place), field(record, "description", path, place)
            names[_stem(name)][name] = None
            said[_stem(name)].append((_moment(record, path, place), text))
        for stem in names:
            if stem in wanted or not listed:
                in_order = sorted(said[stem], key=lambda pair: pair[0])  # stable: equal moments keep the file's order
                yield Clip(stem, split, paragraph(text for _, text in in_order), _media(stem, list(names[stem])))


def _stem(name: str) -> str:
    """Without the last ending, which may be empty ("name."): pathlib treats those differently between versions."""
    return name.rsplit(".", 1)[0]


def _moment(record: Any, path: Path, place: str) -> Moment:
    """(first, last) five-second piece that most annotators chose; among equals the earliest."""
    times = Counter((int(first), int(last)) for first, last in field(record, "times", path, place))
    if not times:
        raise ValueError(f"{path}: {place}: no times")
    most = max(times.values())
    return min(moment for moment, count in times.items() if count == most)


def _media(stem: str, names: list[str]) -> tuple[Media, ...]:
    """As downloaded from Flickr (`name`), from the AWS copy (`name.mp4`, two endings) or transcoded (`stem.mp4`)."""
    known = [stem + ending for ending in ENDINGS]
    files = dict.fromkeys([*names, *(f"{name}.mp4" for name in names), *known])
    return tuple(Media(media.path, 0.0, ANNOTATED) for media in places(FOLDERS, files))
