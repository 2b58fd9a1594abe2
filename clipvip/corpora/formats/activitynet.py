"""ActivityNet Captions: `train.json` and `val_1.json` (the test set of the retrieval protocol).

The sentences of a video are joined to one paragraph, in the order of the file. Ids are kept with their `v_`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from typing_extensions import TypedDict

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats import authors
from clipvip.corpora.formats.annotation import ENDINGS, Clip, Media, Split, find, paragraph, places
from clipvip.corpora.formats.border import Border, Kind, Text, json_object

SOURCE = "paragraph"
FOLDERS = ("videos", "Activity_Videos", "", "v1-2/train", "v1-2/val", "v1-3/train_val")
FILES: dict[Split, str] = {"train": annotation_files.ACTIVITYNET_TRAIN, "test": annotation_files.ACTIVITYNET_TEST}


class Video(TypedDict):
    """What stands under the id of a video."""

    sentences: list[Text]


VIDEO = Kind[Video](Video)


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """One clip a video, with its paragraph."""
    if settings.annotations:
        for clip in authors.read(root, settings, media, border, paragraphs=True):  # their ids keep the mark
            bare = clip.clip_id.removeprefix("v_")
            yield replace(clip, clip_id=f"v_{bare}", origin=bare)
        return
    for split, name in FILES.items():
        path = find(root, name)
        videos = json_object(path)
        marked = all(key.startswith("v_") for key in videos)  # an id itself may begin with v_: the file decides
        for key in videos:
            place = f"video {key!r}"
            video = border.checked(VIDEO, videos[key], path, place)
            bare = key.removeprefix("v_") if marked else key
            if video is None or not border.is_name(bare, path, place):
                continue
            yield Clip(f"v_{bare}", split, paragraph(video["sentences"]), media(f"v_{bare}"), origin=bare)


def media(clip_id: str) -> tuple[Media, ...]:
    """Where the video of an id with its mark may lie: files carry the mark or not."""
    stems = (clip_id, clip_id.removeprefix("v_"))
    return places(FOLDERS, [f"{stem}{ending}" for stem in stems for ending in ENDINGS])
