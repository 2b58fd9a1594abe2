"""HD-VILA-100M: clip lists in `metafiles/*.jsonl`, subtitles in `subtitles.jsonl` (lines of clip_id and text) or in
the LMDB `subtitles` (a folder) or `subtitles.lmdb`.

The published lists hold no subtitles; whoever has them writes them in this form. They are a hundred million, so they
wait in a file while the lists are read. All of it is training data.
"""

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import TypedDict

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats.annotation import Clip, Media, find
from clipvip.corpora.formats.border import Border, Kind, Name, Text
from clipvip.data import lmdb_texts
from clipvip.data.clip_ids import Ids
from clipvip.data.text_store import Sentences

SOURCE = "subtitle"
PART = 1 << 17  # lines at a time
Pair = tuple[str, str]  # clip id, text


class Cut(TypedDict):
    """A clip of a video; it is cut already, so its span is not needed."""

    clip_id: Name


class Video(TypedDict):
    """A line of a list."""

    video_id: Name
    clip: list[Cut]


class Subtitle(TypedDict):
    """What is said in a clip."""

    clip_id: Name
    text: Text


VIDEO, SUBTITLES = Kind[Video](Video), Kind[Subtitle | list[Subtitle]](Subtitle | list[Subtitle])


def read(root: Path, settings: CorpusSettings, border: Border) -> Iterator[Clip]:
    """The clips of all lists in order of file name; a clip is its cut file."""
    databases = (root / name for name in ("subtitles", "subtitles.lmdb"))
    said = next(filter(lmdb_texts.is_database, databases), None) or find(root, annotation_files.HDVILA_SUBTITLES)
    lists = sorted((root / "metafiles").glob("*.jsonl")) or sorted(root.glob("meta_part*.jsonl"))
    if not lists:
        raise ValueError(f"{root}: no metafiles/*.jsonl; check `root`")
    with tempfile.TemporaryDirectory(prefix="subtitles-") as folder:
        subtitles = _subtitles(said, Path(folder), border)
        for path in lists:
            for _, video in border.json_lines(VIDEO, path):
                video_id = video["video_id"]
                for clip in video["clip"]:
                    clip_id = clip["clip_id"]
                    media = Media(f"video_clips/{video_id}/{clip_id}")
                    texts = tuple(subtitles.get(clip_id, [])[-1:])  # the last line holds
                    yield Clip(clip_id, "train", texts, (media,), origin=video_id)


def _subtitles(path: Path, folder: Path, border: Border) -> Sentences:
    """The lines of clip_id and text, laid down in `folder`; a line may be a list of them."""
    schema = pa.schema({"clip_id": pa.large_string(), "text": pa.large_string()})
    with pq.ParquetWriter(folder / "subtitles.parquet", schema) as file:
        for part in _parts(_pairs(path, border)):
            file.write_table(pa.table([[i for i, _ in part], [text for _, text in part]], schema=schema))
    ids = Ids.distinct(pq.read_table(folder / "subtitles.parquet", columns=["clip_id"])["clip_id"])
    batches = pq.ParquetFile(folder / "subtitles.parquet").iter_batches(PART)
    Sentences.write(batches, ids, folder)
    return Sentences(folder, ids)


def _pairs(path: Path, border: Border) -> Iterator[Pair]:
    if lmdb_texts.is_database(path):
        yield from lmdb_texts.pairs(path)
        return
    for _, line in border.json_lines(SUBTITLES, path):
        for record in line if isinstance(line, list) else [line]:
            yield record["clip_id"], record["text"]


def _parts(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    while part := list(islice(pairs, PART)):
        yield part
