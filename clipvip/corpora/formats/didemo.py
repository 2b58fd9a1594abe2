"""DiDeMo: `{train,val,test}_data.json`, and the lists of the retrieval split where they are there.

The descriptions of one video are joined to one paragraph. A video is the name without its ending (the same recording
occurs with two endings), its descriptions stand in the order of their moments, as in the annotations CLIP-ViP used.
Only the first 30 seconds were annotated, so only these are the clip.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats import authors
from clipvip.corpora.formats.annotation import ENDINGS, Clip, Media, Split, find, find_any, paragraph, places
from clipvip.corpora.formats.border import Border, Kind, Name, Text, json_file

SOURCE = "paragraph"
FOLDERS = ("videos", "", "video")
ANNOTATED = 30.0  # seconds
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Moment = tuple[int, int]


class Description(TypedDict):
    """A record of the file: what happens in a moment of a video."""

    video: Name
    description: Text
    times: Annotated[  # (first, last) five-second piece as each annotator chose
        list[Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]], Field(min_length=1)
    ]


DESCRIPTION = Kind[Description](Description)


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """One clip a recording, with its paragraph; without a list all annotated recordings count."""
    if settings.annotations:
        yield from authors.read(root, settings, lambda stem: _media(stem, [stem]), border, paragraphs=True)
        return
    for split in SPLITS:
        path, listed = (
            find(root, annotation_files.DIDEMO_DATA.format(split)),
            find_any(root, annotation_files.DIDEMO_LIST.format(split)),
        )
        names: defaultdict[str, dict[str, None]] = defaultdict(dict)  # stem -> its full names, in order
        for _, line in border.lines(listed) if listed else ():
            names[_stem(line.strip())][line.strip()] = None
        wanted = set(names)
        said: defaultdict[str, list[tuple[Moment, str]]] = defaultdict(list)
        for number, record in border.listed(DESCRIPTION, json_file(path), path, "record"):
            stem = _stem(record["video"])
            if border.is_name(stem, path, f"record[{number}]"):
                names[stem][record["video"]] = None
                said[stem].append((_moment(record["times"]), record["description"]))
        for stem in names:
            if stem in wanted or not listed:
                in_order = sorted(said[stem], key=lambda pair: pair[0])  # stable: equal moments keep the file's order
                yield Clip(stem, split, paragraph(text for _, text in in_order), _media(stem, list(names[stem])))


def _stem(name: str) -> str:
    """Without the last ending, which may be empty ("name."): pathlib treats those differently between versions."""
    return name.rsplit(".", 1)[0]


def _moment(times: list[list[int]]) -> Moment:
    """(first, last) five-second piece that most annotators chose; among equals the earliest."""
    counted = Counter((first, last) for first, last in times)
    most = max(counted.values())
    return min(moment for moment, count in counted.items() if count == most)


def _media(stem: str, names: list[str]) -> tuple[Media, ...]:
    """As downloaded from Flickr (`name`), from the AWS copy (`name.mp4`, two endings) or transcoded (`stem.mp4`)."""
    known = [stem + ending for ending in ENDINGS]
    files = dict.fromkeys([*names, *(f"{name}.mp4" for name in names), *known])
    return tuple(Media(media.path, 0.0, ANNOTATED) for media in places(FOLDERS, files))
