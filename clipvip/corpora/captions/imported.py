"""Captions that were made elsewhere, such as those of CLIP-ViP's authors, in place of a captioner's.

A jsonl file, a line `{"clip_id", "caption"}` (or `"text"`) a clip, or an LMDB. A clip without an entry, or whose
caption is null, empty or the word None (which the public code wrote where it had none), has no caption.
"""

import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clipvip.data import lmdb_texts
from clipvip.data.clip_ids import Ids

NAME = "imported.parquet"
ABSENT = "not among the imported captions"
PART = 1 << 17  # entries at a time
MISSING = ("", "None")


def make(source: str, out: Path) -> dict[str, Any]:
    """`out/imported.parquet` of the captions in a jsonl file or an LMDB. ValueError names a line that holds no
    caption, an id that stands twice, or a file that is none."""
    path, written, missing = Path(source).expanduser(), 0, 0
    if not (path.is_file() or lmdb_texts.is_database(path)):
        what = f"a folder without {lmdb_texts.FILE}" if path.is_dir() else "no such file"
        raise ValueError(f'captioner.imported: {path}: {what}; give a jsonl of {{"clip_id", "caption"}} or an LMDB')
    schema = pa.schema({"clip_id": pa.large_string(), "caption": pa.large_string()})
    with pq.ParquetWriter(out / NAME, schema) as file:
        for part in _parts(path):
            known = [(clip_id, text) for clip_id, text in part if text not in MISSING]
            file.write_table(pa.table([[i for i, _ in known], [text for _, text in known]], schema=schema))
            written, missing = written + len(known), missing + len(part) - len(known)
    ids = pq.read_table(out / NAME, columns=["clip_id"])["clip_id"]
    if len(Ids.distinct(ids)) < written:
        twice = ids.value_counts().to_pandas()
        raise ValueError(f"{path}: clip {next(e['values'] for e in twice if e['counts'] > 1)!r} has several captions")
    if not written:
        raise ValueError(f"{path}: not one caption")
    return {"imported": str(path), "captions": written, "without": missing}


def rows(captioner: Path, clip_ids: Sequence[str]) -> pd.DataFrame:
    """As captioning leaves them: clip_id, frame (0), caption or null, reason where null, seconds of a clip, model."""
    began = time.perf_counter()
    table = pq.read_table(captioner / NAME)
    places = Ids(table["clip_id"]).positions(pa.array(list(clip_ids), pa.large_string()))
    found = table["caption"].take(pa.array(places, mask=places < 0)).to_pandas().astype("str")
    frame = pd.DataFrame({"clip_id": list(clip_ids), "frame": 0, "caption": found})
    frame["reason"] = pd.Series(ABSENT, index=frame.index, dtype="str").where(frame["caption"].isna())
    seconds = (time.perf_counter() - began) / max(1, len(frame))
    return frame.assign(seconds=seconds, model=f"imported/{captioner.name}").astype({"clip_id": "str"})


def _parts(path: Path) -> Iterator[list[tuple[str, str]]]:
    """(clip id, caption or "") of the entries, PART at a time."""
    known = ((i, _single(text)) for i, text in lmdb_texts.pairs(path)) if lmdb_texts.is_database(path) else _lines(path)
    while part := list(islice(known, PART)):
        yield part


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _pair(line, f"{path}: line {number}")


def _pair(line: str, where: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not JSON: {error.msg}") from None
    if not isinstance(record, dict) or not isinstance(record.get("clip_id"), str):
        raise ValueError(f"{where}: no 'clip_id'")
    named = [key for key in ("caption", "text") if key in record]
    if not named:
        raise ValueError(f"{where}: neither 'caption' nor 'text'")
    text = record[named[0]]
    text = text[0] if isinstance(text, list) and len(text) == 1 else text
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{where}: {named[0]!r} is not one text")
    return record["clip_id"], _single(text or "")


def _single(text: str) -> str:
    """White space made single."""
    return " ".join(text.split())
