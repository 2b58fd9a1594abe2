"""Captions made elsewhere: joined by clip id, missing ones missing, in shards as captioning has them."""

import json
from pathlib import Path
from typing import Any

import lmdb
import pandas as pd
import pytest
from caption_files import CAPTIONS, write_corpus

from clipvip.config.base import build
from clipvip.config.learning import CaptionerSettings
from clipvip.corpora.captions import imported
from clipvip.corpora.captions.captions_stage import caption, caption_shard
from clipvip.pipeline.cell import Cell
from clipvip.runtime.context import Run
from clipvip.training.captioner_stage import make


def bring(tmp_path: Path, text: str) -> tuple[Path, dict[str, Any]]:
    """The captioner's cell of a jsonl file, and its facts."""
    (tmp_path / "captions.jsonl").write_text(text, encoding="utf-8")
    out = tmp_path / "captioner"
    out.mkdir(exist_ok=True)
    settings = CaptionerSettings(imported=str(tmp_path / "captions.jsonl"))
    return out, make(settings, {}, out, Run(work=tmp_path))


def lines(*pairs: tuple[str, Any], key: str = "caption") -> str:
    return "".join(json.dumps({"clip_id": clip_id, key: text}) + "\n" for clip_id, text in pairs)


@pytest.mark.parametrize("shards", [0, 3])
def test_they_are_joined_by_clip_and_what_is_missing_stays_missing(
    tmp_path: Path, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported, "PART", 2)
    corpus = write_corpus(tmp_path / "corpus", {"train": 8})
    said = lines(
        ("train006", " a  dog\n"), ("elsewhere", "x"), ("train000", "None"), ("train001", None), ("train002", "")
    )
    said += "\n" + lines(("train003", "nothing (None)"), ("train005", ["one in a list"]), key="text")
    captioner, facts = bring(tmp_path, said)
    assert (facts["captions"], facts["without"]) == (4, 3)
    inputs, run = {"corpus": corpus, "captioner": captioner}, Run(work=tmp_path / "work")
    run.work.mkdir()
    for shard in range(shards):
        caption_shard(CAPTIONS, inputs, run.work / f"shard-{shard}-of-{shards}.parquet", shard, shards, run)
    (tmp_path / "out").mkdir()
    facts = caption(CAPTIONS, inputs, tmp_path / "out", run)
    rows = pd.read_parquet(tmp_path / "out/captions.parquet")
    expected = {"train003": "nothing (None)", "train005": "one in a list", "train006": "a dog"}
    assert dict(zip(rows["clip_id"], rows["caption"], strict=True)) == expected
    assert set(rows["model"]) == {"imported/captioner"}
    assert (facts["clips"], facts["captioned"], facts["missing"]) == (8, 3, 5)
    assert facts["reasons"] == {imported.ABSENT: 5}


@pytest.mark.parametrize("name", ["captions_db", "captions.lmdb"])
def test_a_database_is_read_as_the_same_lines_are(tmp_path: Path, name: str) -> None:
    said = {"b.1.mp4": " a  dog\n", "a.2.mp4": "None", "c.3.mp4": "", "é": "señor’s café"}
    base = lmdb.open(str(tmp_path / name), subdir="." not in name)
    with base, base.begin(write=True) as transaction:
        for clip_id, text in said.items():
            transaction.put(clip_id.encode(), text.encode())
    (tmp_path / "out").mkdir()
    settings = CaptionerSettings(imported=str(tmp_path / name))
    facts = make(settings, {}, tmp_path / "out", Run(work=tmp_path))
    assert (facts["captions"], facts["without"]) == (2, 2)
    rows = imported.rows(tmp_path / "out", list(said))
    assert rows["caption"].fillna("-").tolist() == ["a dog", "-", "-", "señor’s café"]

    base = lmdb.open(str(tmp_path / name), subdir="." not in name)
    with base, base.begin(write=True) as transaction:
        transaction.put(b"z", b"\xff")
    with pytest.raises(ValueError, match=f"{name}: entry b'z' is not UTF-8"):
        make(settings, {}, tmp_path / "out", Run(work=tmp_path))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.lmdb").write_bytes(b"not one" * 1000)
    with pytest.raises(ValueError, match=r"x\.lmdb: no LMDB"):
        make(CaptionerSettings(imported=str(tmp_path / "x.lmdb")), {}, tmp_path, Run(work=tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines(("a", "x"), ("b", "y"), ("a", "z")), "captions.jsonl: clip 'a' has several captions"),
        (lines(("a", ["x", "y"])), "line 1: 'caption' is not one text"),
        ("\n" + lines(("a", "x"), key="said"), "line 2: neither 'caption' nor 'text'"),
        ('{"caption": "x"}', "line 1: no 'clip_id'"),
        ('{"clip_id": "a", ', "line 1: not JSON"),
        (lines(("a", "None")), "not one caption"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bring(tmp_path, text)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "a folder without data.mdb"), (tmp_path / "x", "no such file")):
        with pytest.raises(ValueError, match=f"captioner.imported: {path}: .*{message}"):
            make(CaptionerSettings(imported=str(path)), {}, tmp_path, Run(work=tmp_path))


def test_they_need_no_model() -> None:
    with pytest.raises(ValueError, match="leave out `source`, `shape`"):
        build(CaptionerSettings, {"imported": "a.jsonl", "source": "b"}, "here")
    keys = {
        Cell("captioner", CaptionerSettings(source="a")).key,
        Cell("captioner", CaptionerSettings(imported="a")).key,
    }
    assert len(keys) == 2
