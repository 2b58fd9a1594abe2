"""The annotations that CLIP-ViP's authors read, for any downstream set: a line `{"clip_id", "text"}` a clip.

A text may be a list. What a list means is a property of the set, never of a path: the sentences of one paragraph, or
captions that each stand for themselves. The loader of the public code drew one at random, at test as well.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from typing_extensions import TypedDict

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Media, find, paragraph
from clipvip.corpora.formats.border import Border, Kind, Name, Text

Locate = Callable[[str], tuple[Media, ...]]


class Line(TypedDict):
    """A line of the file: a clip."""

    clip_id: Name | int
    text: Text | list[Text]


LINE = Kind[Line](Line)


def read(
    root: Path,
    settings: CorpusSettings,
    locate: Locate,
    border: Border,
    *,
    paragraphs: bool = False,
    single: bool = False,
) -> Iterator[Clip]:
    """The clips of each split's file, found by `locate`; with `paragraphs` their texts are joined.

    `single`: the protocol tests on one text a clip; a clip with more is set aside.
    """
    for split, name in settings.annotations.items():
        path = find(root, name)
        for place, line in border.json_lines(LINE, path):
            clip_id, texts = str(line["clip_id"]), line["text"]
            texts = texts if isinstance(texts, list) else [texts]
            if single and split == "test" and len(texts) > 1:
                border.set_aside(
                    path,
                    place,
                    f"{len(texts)} texts of {clip_id!r}, the protocol tests on one; give the file of that protocol, "
                    "or set `protocol: full`",
                )
                continue
            yield Clip(clip_id, split, paragraph(texts) if paragraphs else tuple(texts), locate(clip_id))
