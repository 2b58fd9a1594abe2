"""HD-VILA-100M: clip lists in `metafiles/*.jsonl`, subtitles in `subtitles.jsonl` (lines of clip_id and text).

The published lists hold no subtitles; whoever has them writes them in this form, and all of them are held in memory.
All of it is training data.
"""

from collections.abc import Iterator
from pathlib import Path

from clipvip.config import CorpusSettings
from clipvip.corpora.annotation import Clip, Media, field, find, json_lines

SOURCE = "subtitle"


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """The clips of all lists in order of file name; a clip is its cut file."""
    subtitles = _subtitles(find(root, "subtitles.jsonl"))
    lists = sorted((root / "metafiles").glob("*.jsonl")) or sorted(root.glob("meta_part*.jsonl"))
    if not lists:
        raise ValueError(f"{root}: no metafiles/*.jsonl; check `root`")
    for path in lists:
        for number, video in json_lines(path):
            video_id = field(video, "video_id", path, f"line {number}")
            for clip in field(video, "clip", path, f"line {number}"):
                clip_id = field(clip, "clip_id", path, f"line {number}")
                media = Media(f"video_clips/{video_id}/{clip_id}")  # cut already, so its span is not needed
                yield Clip(clip_id, "train", subtitles.get(clip_id, ()), (media,))


def _subtitles(path: Path) -> dict[str, tuple[str, ...]]:
    texts: dict[str, tuple[str, ...]] = {}
    for number, line in json_lines(path):
        for record in line if isinstance(line, list) else [line]:
            text = field(record, "text", path, f"line {number}")
            texts[field(record, "clip_id", path, f"line {number}")] = (text,)
    return texts
