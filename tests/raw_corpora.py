"""Raw corpora as distributed, oddities included; the media are files with real headers."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.data import CorpusSettings
from clipvip.corpora.corpus_stage import make
from clipvip.data import manifest
from clipvip.runtime.context import Run

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(8)
IMAGE = b"\xff\xd8\xff\xe0" + bytes(8)


def put(root: Path, name: str, data: str | bytes | Any) -> None:
    """Write a file below `root`: bytes and text as they are, anything else as JSON.

    VIDEO and IMAGE get the name behind them: files of other names have other bytes.
    """
    path = root / name
    data = data + name.encode() if data in (VIDEO, IMAGE) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        path.write_bytes((data if isinstance(data, str) else json.dumps(data)).encode())


def read(tmp_path: Path, form: str, **settings: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    """The receipt and the manifest of the corpus at tmp_path/raw; `max_bad` 1 unless said."""
    out = tmp_path / "results/cells/corpus/k"
    out.mkdir(parents=True, exist_ok=True)
    whole = CorpusSettings.model_validate({"format": form, "root": str(tmp_path / "raw"), "max_bad": 1.0, **settings})
    return make(whole, {}, out, Run(work=tmp_path)), manifest.read(out)


def texts(rows: pd.DataFrame, split: str) -> list[tuple[str, str]]:
    part = rows[rows["split"] == split]
    return list(zip(part["clip_id"], part["text"], strict=True))


def write_msrvtt(root: Path, *, folder: str = "MSRVTT_Videos") -> None:
    splits = {"video0": "train", "video1": "train", "video2": "validate", "video7020": "test", "video7021": "test"}
    said = [
        ("video1", " a dog  runs "),
        ("video0", "a man, in red"),
        ("video7020", "not the sentence of the csv"),
        ("video1", "a dog  runs"),  # repeated within the video, and not beside the other
        ("video0", "a man, in red"),
        ("video2", "rain\nfalls"),
        ("video0", "   "),
        ("video7021", "x"),
    ]
    data = {
        "info": {},
        "videos": [
            {"id": n, "video_id": name, "category": 9, "url": "", "start time": 1.5, "end time": 14.0, "split": split}
            for n, (name, split) in enumerate(splits.items())
        ],
        "sentences": [{"sen_id": n, "video_id": name, "caption": text} for n, (name, text) in enumerate(said)],
    }
    put(root, "MSRVTT_data.json", data)
    put(root, "MSRVTT_train.9k.csv", "\ufeffvideo_id\r\nvideo0\r\nvideo1\r\nvideo2")  # mark, CRLF, no final newline
    put(root, "MSRVTT_train.7k.csv", "video_id\nvideo1\n")
    test = "key,vid_key,video_id,sentence\nret1,msr7021,video7021,same words\nret0,msr7020,video7020,same words\n"
    put(root, "MSRVTT_JSFUSION_test.csv", test)
    for name in splits:
        put(root, f"{folder}/{name}.{'webm' if name == 'video1' else 'mp4'}", VIDEO)
