"""The annotations that CLIP-ViP's authors read, for any downstream set: a line `{"clip_id", "text"}` a clip.

A text may be a list. What a list means is a property of the set, never of a path: the sentences of one paragraph, or
captions that each stand for themselves. The loader of the public code drew one at random, at test as well.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Media, field, find, json_lines, paragraph

Texts = tuple[str, ...]
Locate = Callable[[str], tuple[Media, ...]]


def read(
    root: Path, settings: CorpusSettings, locate: Locate, *, paragraphs: bool = False, single: bool = False
) -> Iterator[Clip]:
    """The clips of each split's file, found by `locate`; with `paragraphs` their texts are joined.

    `single`: the protocol tests on one text a clip. ValueError names a line without id or text, or with more than that.
    """
    for split, name in settings.annotations.items():
        path = find(root, name)
        for number, record in json_lines(path):
            place = f"line {number}"
            clip_id = str(field(record, "clip_id", path, place))
            texts = _texts(field(record, "text", path, place), path, place)
            if single and split == "test" and len(texts) > 1:
                raise ValueError(
                    f"{path}: {place}: {len(texts)} texts of {clip_id!r}, the protocol tests on one; give the file of "
                    "that protocol, or set `protocol: full`"
                )
            yield Clip(clip_id, split, paragraph(texts) if paragraphs else texts, locate(clip_id))


def _texts(text: object, path: Path, place: str) -> Texts:
    texts = text if isinstance(text, list) else [text]
    if not all(isinstance(each, str) for each in texts):
        raise ValueError(f"{path}: {place}: 'text' is neither a text nor a list of texts")
    return tuple(texts)
