"""`clipvip prepare --shards`: the same clips, frames and texts, in a drawn order; resumed, shared out, or in one go."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_webdataset import corpus

from clipvip.__main__ import main
from clipvip.config.data import FramesSettings
from clipvip.corpora.shards import ShardRecipe, write_shards
from clipvip.data import manifest
from clipvip.data.batches import Batches, texts_by_clip
from clipvip.data.clips import open_clips
from clipvip.data.loader import stream
from clipvip.runtime.files import write_whole

SMALL = ShardRecipe(clips=5, fps=4.0, side=32, seed=3)


def tars(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar"))}


@pytest.fixture
def source(corpus_inputs: dict[str, Path]) -> Path:
    return corpus_inputs["corpus"]


def test_shards_hold_the_training_clips_as_they_would_be_read(source: Path, tmp_path: Path) -> None:
    receipt = write_shards(source, tmp_path / "shards", SMALL)
    assert json.loads((tmp_path / "shards/prepared.json").read_text()) == receipt
    corpus(str(tmp_path / "shards"), tmp_path / "cell")
    ours, theirs = manifest.read(tmp_path / "cell"), manifest.read(source, split="train")
    ids = list(manifest.clip_ids(source, split="train"))
    drawn = np.random.default_rng(SMALL.seed).permutation(len(ids))
    assert list(ours["clip_id"].unique()) == [ids[place] for place in drawn]
    assert texts_by_clip(ours) == texts_by_clip(theirs)
    assert (receipt["clips"], receipt["shards"], receipt["num_unreadable"]) == (16, 4, 0)
    plain = open_clips({"corpus": source}, FramesSettings(size=32, fps=4.0))
    for fps in (None, 4.0):
        small = open_clips({"corpus": tmp_path / "cell"}, FramesSettings(size=32, fps=fps))
        for clip_id in ids[:6]:
            one, other = (clips.chosen(clip_id, np.arange) for clips in (plain, small))
            assert one.shape == other.shape  # as many frames: the same are drawn
            assert np.abs(one.astype(int) - other).mean() < 8  # of 255: JPEG of few pixels
    assert receipt["frames"] == sum(len(plain.chosen(clip_id, np.arange)) for clip_id in ids)


def test_processes_jobs_and_a_kill_change_no_byte(source: Path, tmp_path: Path) -> None:
    write_shards(source, tmp_path / "one", SMALL)
    whole = tars(tmp_path / "one")
    assert len(whole) == 4
    write_shards(source, tmp_path / "two", SMALL, processes=2)
    assert tars(tmp_path / "two") == whole
    assert write_shards(source, tmp_path / "jobs", SMALL, shard=1, num_shards=2) == {"shards": 4, "done": 2}
    assert write_shards(source, tmp_path / "jobs", SMALL, shard=0, num_shards=2)["done"] == 4
    assert tars(tmp_path / "jobs") == whole
    (tmp_path / "one/000002.tar").unlink()  # killed before its note was written
    (tmp_path / "one/.prepare/000002.json").unlink()
    other = (tmp_path / "one/000001.tar").stat().st_mtime_ns
    write_shards(source, tmp_path / "one", SMALL)
    assert tars(tmp_path / "one") == whole
    assert (tmp_path / "one/000001.tar").stat().st_mtime_ns == other


def test_what_cannot_be_read_is_named_and_what_does_not_fit_refused(source: Path, tmp_path: Path) -> None:
    rows = manifest.read(source, split="train")
    media = tmp_path / "media"
    for path in rows["path"].unique():
        (media / path).parent.mkdir(parents=True, exist_ok=True)
        (media / path).symlink_to(manifest.media_root(source) / path)
    broken = rows["path"].iloc[0]
    (media / broken).unlink()
    write_whole(media / broken, b"no video")
    (tmp_path / "cell").mkdir()
    manifest.write(rows, tmp_path / "cell", root=media, format="folder")
    receipt = write_shards(tmp_path / "cell", tmp_path / "out", SMALL)
    assert (receipt["clips"], receipt["num_unreadable"]) == (15, 1)
    assert rows["clip_id"].iloc[0] in (tmp_path / "out/unreadable.csv").read_text()
    names = set[str]()
    for path in (tmp_path / "out").glob("*.tar"):
        with tarfile.open(path) as tar:
            names |= set(tar.getnames())
    assert len(names) == 2 * 5  # numbers within a shard, never a name of the source
    with pytest.raises(ValueError, match="was begun with"):
        write_shards(tmp_path / "cell", tmp_path / "out", ShardRecipe(clips=4))
    with pytest.raises(ValueError, match="quality from 1 to 31"):
        ShardRecipe(quality=0)
    with pytest.raises(ValueError, match="shards count from 0"):
        write_shards(tmp_path / "cell", tmp_path / "out", SMALL, shard=2, num_shards=2)


def test_the_command_writes_what_a_training_reads_in_stretches(
    source: Path, tmp_path: Path, tiny_clip_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoTokenizer

    words = ["prepare", str(source), "--out", str(tmp_path / "out"), "--shards", "4", "--side", "24"]
    assert main(words) == 0
    assert "clips           16" in capsys.readouterr().out
    corpus(str(tmp_path / "out"), tmp_path / "cell")
    texts = texts_by_clip(manifest.read(tmp_path / "cell"))
    given: dict[str, Any] = {"num_frames": 4, "max_tokens": 20, "batch_size": 4, "seed": 0, "shuffle": 4}
    batches = Batches(
        clips=open_clips({"corpus": tmp_path / "cell"}, FramesSettings(size=24)),
        clip_ids=list(texts),
        texts={"subtitle": texts},
        tokenizer=AutoTokenizer.from_pretrained(tiny_clip_folder),
        **given,
    )
    seen = [position for step in range(4) for position in batches.drawn(step)[1]]
    assert sorted(seen) == list(range(16))
    assert len(list(stream(batches, 0, 5, 2))) == 5
    assert main([*words[:2], str(source), *words[2:]]) == 2
    assert "give one corpus cell" in capsys.readouterr().err
