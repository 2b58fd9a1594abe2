"""HD-VILA-100M: clip lists in `metafiles/*.jsonl`, subtitles in `subtitles.jsonl` (lines of clip_id and text).

The published lists hold no subtitles; whoever has them writes them in this form. All of it is training data. The
subtitles are held in memory: about 0.3 GB a million clips.
"""

from collections.abc import Iterator
from pathlib import Path

from clipvip.config import CorpusSettings
from clipvip.corpora.annotation import Clip, Media, field, find, json_lines

SOURCE = "subtitle"


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """The clips of all lists in order of file name; a clip is its cut file, or else its stretch of the whole video."""
    subtitles = _subtitles(find(root, "subtitles.jsonl"))
    lists = sorted((root / "metafiles").glob("*.jsonl")) or sorted(root.glob("meta_part*.jsonl"))
    if not lists:
        raise ValueError(f"{root}: no metafiles/*.jsonl; check `root`")
    for path in lists:
        for number, video in json_lines(path):
            video_id = field(video, "video_id", path, f"line {number}")
            for clip in field(video, "clip", path, f"line {number}"):
                clip_id = field(clip, "clip_id", path, f"line {number}")
                start, end = (_seconds(time, path, number) for time in field(clip, "span", path, f"line {number}"))
                cut = Media(f"video_clips/{video_id}/{clip_id}")
                whole = Media(f"download_videos/{video_id}.mp4", start, end)
                yield Clip(clip_id, "train", subtitles.get(clip_id, ()), (cut, whole))


def _subtitles(path: Path) -> dict[str, tuple[str, ...]]:
    texts: dict[str, tuple[str, ...]] = {}
    for number, line in json_lines(path):
        for record in line if isinstance(line, list) else [line]:
            text = field(record, "text", path, f"line {number}")
            texts[field(record, "clip_id", path, f"line {number}")] = (text,)
    return texts


def _seconds(time: str, path: Path, number: int) -> float:
    """Seconds of `HH:MM:SS.fraction`."""
    try:
        hours, minutes, seconds = time.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        raise ValueError(f"{path}: line {number}: span {time!r} is not HH:MM:SS.mmm") from None
