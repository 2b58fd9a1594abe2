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

from clipvip.config.data import CorpusSettings
from clipvip.corpora import annotation_files
from clipvip.corpora.formats.annotation import Clip, Media, field, find, json_lines
from clipvip.data import lmdb_texts
from clipvip.data.clip_ids import Ids
from clipvip.data.text_store import Sentences

SOURCE = "subtitle"
PART = 1 << 17  # lines at a time
Pair = tuple[str, str]  # clip id, text


def read(root: Path, settings: CorpusSettings) -> Iterator[Clip]:
    """The clips of all lists in order of file name; a clip is its cut file."""
    databases = (root / name for name in ("subtitles", "subtitles.lmdb"))
    said = next(filter(lmdb_texts.is_database, databases), None) or find(root, annotation_files.HDVILA_SUBTITLES)
    lists = sorted((root / "metafiles").glob("*.jsonl")) or sorted(root.glob("meta_part*.jsonl"))
    if not lists:
        raise ValueError(f"{root}: no metafiles/*.jsonl; check `root`")
    with tempfile.TemporaryDirectory(prefix="subtitles-") as folder:
        subtitles = _subtitles(said, Path(folder))
        for path in lists:
            for number, video in json_lines(path):
                video_id = field(video, "video_id", path, f"line {number}")
                for clip in field(video, "clip", path, f"line {number}"):
                    clip_id = field(clip, "clip_id", path, f"line {number}")
                    media = Media(f"video_clips/{video_id}/{clip_id}")  # cut already, so its span is not needed
                    texts = tuple(subtitles.get(clip_id, [])[-1:])  # the last line holds
                    yield Clip(clip_id, "train", texts, (media,), origin=video_id)


def _subtitles(path: Path, folder: Path) -> Sentences:
    """The lines of clip_id and text, laid down in `folder`; a line may be a list of them."""
    schema = pa.schema({"clip_id": pa.large_string(), "text": pa.large_string()})
    with pq.ParquetWriter(folder / "subtitles.parquet", schema) as file:
        for part in _parts(_pairs(path)):
            file.write_table(pa.table([[i for i, _ in part], [text for _, text in part]], schema=schema))
    ids = Ids.distinct(pq.read_table(folder / "subtitles.parquet", columns=["clip_id"])["clip_id"])
    batches = pq.ParquetFile(folder / "subtitles.parquet").iter_batches(PART)
    Sentences.write(batches, ids, folder)
    return Sentences(folder, ids)


def _pairs(path: Path) -> Iterator[Pair]:
    if lmdb_texts.is_database(path):
        yield from lmdb_texts.pairs(path)
        return
    for number, line in json_lines(path):
        for record in line if isinstance(line, list) else [line]:
            pair = field(record, "clip_id", path, f"line {number}"), field(record, "text", path, f"line {number}")
            if not all(isinstance(each, str) for each in pair):
                raise ValueError(f"{path}: line {number}: 'clip_id' and 'text' must be texts")
            yield pair


def _parts(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    while part := list(islice(pairs, PART)):
        yield part
