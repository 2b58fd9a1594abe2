"""Tar shards against the same clips as files: the same frames, texts and batches; oddities named."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from raw_corpora import IMAGE, VIDEO
from transformers import AutoTokenizer

from clipvip.config.base import build
from clipvip.config.data import CorpusSettings, FramesSettings
from clipvip.corpora.corpus_stage import make
from clipvip.data import frame_cache, manifest
from clipvip.data.batches import Batches, texts_by_clip
from clipvip.data.clip_files import Places
from clipvip.data.clips import open_clips
from clipvip.data.loader import stream
from clipvip.data.media.file_header import VideoError
from clipvip.runtime.context import Run

FRAMES = FramesSettings(size=24)
Members = list[tuple[str, bytes | str]]


def tar_of(members: Members) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            data = content if isinstance(content, bytes) else content.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def corpus(root: str, out: Path, **settings: Any) -> dict[str, Any]:
    out.mkdir(parents=True)
    whole = CorpusSettings.model_validate({"format": "webdataset", "root": root, **settings})
    return make(whole, {}, out, Run(work=out))


@pytest.fixture(scope="module", params=["folder", "url"])
def inputs(
    request: pytest.FixtureRequest, corpus_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The training clips of the small MSR-VTT in two shards, on disk or behind a URL of fsspec."""
    rows = manifest.read(corpus_inputs["corpus"], split="train")
    media = manifest.media_root(corpus_inputs["corpus"])
    samples = []
    for number, (clip_id, own) in enumerate(rows.groupby("clip_id", sort=False)):
        said = {"clip_id": clip_id, "text": own["text"].tolist()}
        samples.append(
            [
                (f"{number:05d}.mp4", (media / own["path"].iloc[0]).read_bytes()),
                (f"{number:05d}.json", json.dumps(said)),
            ]
        )
    folder = tmp_path_factory.mktemp("shards")
    url = "memory://bucket/shards" if request.param == "url" else str(folder)
    for name, part in (("a.tar", samples[:9]), ("b.tar", samples[9:])):
        with fsspec.open(f"{url}/{name}", "wb") as file:
            file.write(tar_of([member for sample in part for member in sample]))
    receipt = corpus(url, folder / "results/cells/corpus/k")
    assert receipt["clips"] == len(samples)
    return {"corpus": folder / "results/cells/corpus/k"}


def batches(inputs: dict[str, Path], tiny_clip_folder: Path) -> Batches:
    texts = texts_by_clip(manifest.read(inputs["corpus"], split="train"))
    return Batches(
        clips=open_clips(inputs, FRAMES),
        clip_ids=list(texts),
        texts={"subtitle": texts},
        tokenizer=AutoTokenizer.from_pretrained(tiny_clip_folder),
        num_frames=4,
        max_tokens=30,
        batch_size=5,
        seed=0,
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_give_the_batches_that_files_give(
    inputs: dict[str, Path], corpus_inputs: dict[str, Path], tiny_clip_folder: Path, workers: int
) -> None:
    files = batches({"corpus": corpus_inputs["corpus"]}, tiny_clip_folder)
    shards = batches(inputs, tiny_clip_folder)
    assert list(shards.clip_ids) == list(files.clip_ids)
    whole = [files[step] for step in range(6)]  # two epochs
    for begin in (0, 4):  # from the start, and as a resumed run does
        for one, other in zip(stream(shards, begin, 6, workers), whole[begin:], strict=True):
            assert torch.equal(one.video, other.video)
            assert torch.equal(one.input_ids, other.input_ids)


def test_a_frame_cache_of_shards_is_that_of_files(
    inputs: dict[str, Path], corpus_inputs: dict[str, Path], tmp_path: Path
) -> None:
    facts = frame_cache.make(FRAMES, inputs, tmp_path, Run(work=tmp_path))
    ours, theirs = frame_cache.FrameCache(tmp_path), frame_cache.FrameCache(corpus_inputs["frames"])
    assert facts["clips"] == len(ours.clip_ids) == 16
    for clip_id in ours.clip_ids:
        one, other = ours.position[clip_id], theirs.position[clip_id]
        every = range(ours.count(one))
        assert np.array_equal(ours.read(one, every), theirs.read(other, every))


def test_oddities_are_counted_and_named(tmp_path: Path) -> None:
    sound: Members = [
        ("d/one.mp4", VIDEO),
        ("d/one.txt", "\ufeff a  dog\n"),
        ("d/two.b.jpg", IMAGE),
        ("d/two.json", '{"caption": "b"}'),
    ]
    odd: Members = [
        ("d/._one.mp4", b"x"),
        ("mute.mp4", VIDEO),
        ("lonely.txt", "no clip"),
        ("page.mp4", b"<html>404</html>"),
        ("page.txt", "x"),
    ]
    odd += [
        ("empty.mp4", b""),
        ("empty.txt", "x"),
        ("nothing.webm", VIDEO),
        ("nothing.txt", " \n"),
        ("../../up.mp4", VIDEO),
        ("../../up.txt", "up"),
    ]
    (tmp_path / "b.tar").write_bytes(tar_of(odd))
    (tmp_path / "a.tar").write_bytes(tar_of(sound))
    (tmp_path / "c.tar").write_bytes(tar_of([("last.mp4", VIDEO * 4000), ("last.txt", "x")])[:9000])
    out = tmp_path / "results/cells/corpus/k"
    receipt = corpus(str(tmp_path), out, max_bad=1.0)
    rows = manifest.read(out)
    assert dict(zip(rows["clip_id"], rows["text"], strict=True)) == {"d/one": "a dog", "d/two": "b", "../../up": "up"}
    assert rows["path"].tolist() == ["a.tar/d/one.mp4", "a.tar/d/two.b.jpg", "b.tar/../../up.mp4"]
    assert receipt["empty_text_ids"] == ["mute", "nothing"]
    assert receipt["missing"] == ["lonely"]
    reasons = {entry["clip_id"]: entry["reason"] for entry in receipt["unreadable"]}
    assert reasons["page"] == "header of no known image or video format"
    assert reasons["empty"] == "empty file"
    assert reasons["last"] == "cut short by the end of its shard"
    places = Places(out)
    for clip_id, content in (("d/one", VIDEO), ("d/two", IMAGE), ("../../up", VIDEO)):
        with places.file(places[clip_id]) as path:
            assert path.read_bytes() == content
            assert path.parent != tmp_path.parent.parent
    with pytest.raises(ValueError, match=r"of 10 clips .* are missing or unreadable"):
        corpus(str(tmp_path), tmp_path / "results/cells/corpus/strict")


def test_a_shard_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of([("one.mp4", VIDEO), ("one.txt", "x")]))
    out = tmp_path / "results/cells/corpus/k"
    corpus(str(tmp_path), out)
    (tmp_path / "a.tar").unlink()
    with pytest.raises(VideoError, match=r"a.tar/one.mp4: cannot be read from its shard"):
        open_clips({"corpus": out}, FRAMES).middle("one")


def test_a_clip_in_two_shards_is_refused(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        (tmp_path / name).write_bytes(tar_of([("one.mp4", VIDEO), ("one.txt", "x")]))
    with pytest.raises(ValueError, match="rows of clip 'one' differ in path"):
        corpus(str(tmp_path), tmp_path / "results/cells/corpus/k")


def test_what_the_user_got_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no \*.tar; check `root`"):
        corpus(str(tmp_path), tmp_path / "results/cells/corpus/k")
    with pytest.raises(ValueError, match=r"nowhere://x: .*nowhere"):
        corpus("nowhere://x", tmp_path / "results/cells/corpus/u")
    with pytest.raises(ValueError, match="shards are training data; leave out `holdout`"):
        build(CorpusSettings, {"format": "webdataset", "root": "x", "holdout": 2}, "here")
    (tmp_path / "a.tar").write_bytes(tar_of([("one.mp4", VIDEO), ("one.webm", VIDEO)]))
    with pytest.raises(ValueError, match=r"a.tar: sample 'one': holds two clips: one.mp4, one.webm"):
        corpus(str(tmp_path), tmp_path / "results/cells/corpus/two")
    (tmp_path / "a.tar").write_bytes(tar_of([("one.mp4", VIDEO), ("one.json", "{")]))
    with pytest.raises(ValueError, match=r"a.tar: sample 'one': one.json: not JSON: Expecting property name"):
        corpus(str(tmp_path), tmp_path / "results/cells/corpus/json")
