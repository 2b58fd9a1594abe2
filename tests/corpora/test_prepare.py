"""`clipvip prepare`: small files, the same corpus; what cannot be read is named; a killed run goes on."""

import csv
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from raw_corpora import write_msrvtt
from video_files import indices_of, ramp, write_video

from clipvip.__main__ import main
from clipvip.config.data import CorpusSettings
from clipvip.corpora import corpus_stage, prepare
from clipvip.data import manifest
from clipvip.data.media import checksums
from clipvip.data.media.container import container_of
from clipvip.data.media.transcode import Recipe, small, transcode
from clipvip.data.media.video import count_frames, read_all
from clipvip.runtime.context import Run

BROKEN = "MSRVTT_Videos/video2.mp4"


def raw(root: Path) -> Path:
    """An MSR-VTT of real videos of 20 frames and more at 10 a second, no two alike, one of them cut short."""
    write_msrvtt(root)
    for number, path in enumerate(sorted((root / "MSRVTT_Videos").iterdir())):
        write_video(path, ramp(20 + number, 96, 160), fps=10.0, form="mp4")
    whole = (root / BROKEN).read_bytes()
    (root / BROKEN).write_bytes(whole[: len(whole) // 2])
    (root / ".hidden").touch()
    return root


def test_frames_are_those_that_a_rate_keeps(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.avi", ramp(20, 96, 160), fps=10.0)
    assert transcode(source, tmp_path / "new/a.avi", Recipe(fps=5.0, side=48, quality=10)) == 10
    made = tmp_path / "new/a.avi"
    assert indices_of(read_all(made)) == indices_of(read_all(source, fps=5.0)) == list(range(0, 20, 2))
    assert read_all(made).shape == (10, 48, 80, 3)
    assert container_of(made).times == pytest.approx([n / 5 for n in range(10)])
    assert indices_of(read_all(made, start=1.0, end=1.5)) == indices_of(read_all(source, start=1.0, end=1.5, fps=5.0))
    with av.open(str(made)) as container:
        keys = [n for n, packet in enumerate(p for p in container.demux(video=0) if p.size) if packet.is_keyframe]
    assert max(np.diff([*keys, 10])) <= 6
    assert [path.name for path in made.parent.iterdir()] == ["a.avi"]


def test_a_slow_small_video_stays_as_it_is(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", ramp(6, 32, 64), fps=2.0)
    transcode(source, tmp_path / "b.mp4", Recipe())
    assert container_of(tmp_path / "b.mp4").times == pytest.approx([n / 2 for n in range(6)])
    assert indices_of(read_all(tmp_path / "b.mp4")) == list(range(6))
    assert read_all(tmp_path / "b.mp4").shape == (6, 32, 64, 3)


@pytest.mark.parametrize(
    ("size", "made"), [((720, 1280), (224, 398)), ((1280, 720), (398, 224)), ((100, 101), (100, 102))]
)
def test_the_short_side_and_even_lengths(size: tuple[int, int], made: tuple[int, int]) -> None:
    assert small(*size, 224) == made


@pytest.mark.parametrize("processes", [1, 2])
def test_a_prepared_corpus_is_the_same_corpus(tmp_path: Path, processes: int) -> None:
    source, out = raw(tmp_path / "raw"), tmp_path / "small"
    receipt = prepare.prepare([source], out, Recipe(fps=5.0, side=48), processes=processes)
    assert (receipt["videos"], receipt["annotations"], receipt["num_unreadable"]) == (4, 4, 1)
    assert json.loads((out / "prepared.json").read_text()) == receipt
    with open(out / "unreadable.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1][0] == BROKEN
    assert rows[1][1]
    manifests = []
    for root, name in ((source, "raw"), (out, "small")):
        folder = tmp_path / "cells/corpus" / name
        folder.mkdir(parents=True)
        settings = CorpusSettings(format="msrvtt", root=str(root), max_bad=1.0)
        corpus_stage.make(settings, {}, folder, Run(work=tmp_path))
        manifests.append(manifest.read(folder))
    kept = manifests[0][manifests[0]["path"] != BROKEN].reset_index(drop=True)  # its header is sound in the source
    assert manifests[1].equals(kept)
    sums = checksums.read(out)
    assert set(sums) == set(kept["path"])
    assert all(sums[path] == checksums.of(out / path) for path in sums)


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = raw(tmp_path / "raw"), tmp_path / "small"
    made: list[str] = []
    one = prepare._one

    def stops(path: str, *rest: Any) -> prepare.Done:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(path)
        return one(path, *rest)

    monkeypatch.setattr(prepare, "_one", stops)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare([source], out, Recipe(side=48))
    with open(out / ".prepare/0-of-1.jsonl", "a") as file:
        file.write('{"path": "MSRVTT_Vid')  # as a kill leaves it
    before, made[:] = list(made), []
    monkeypatch.setattr(prepare, "_one", lambda path, *rest: made.append(path) or one(path, *rest))
    receipt = prepare.prepare([source], out, Recipe(side=48))
    assert not set(made) & set(before)
    assert len(made) + len(before) == receipt["files"]
    again = prepare.prepare([source], tmp_path / "whole", Recipe(side=48))
    assert (out / "checksums.csv").read_bytes() == (tmp_path / "whole/checksums.csv").read_bytes()
    assert receipt | {"finished": 0} == again | {"finished": 0}
    made.clear()
    (out / "MSRVTT_Videos/video0.mp4").unlink()
    write_video(source / "MSRVTT_Videos/video1.webm", ramp(10), fps=10.0, form="mp4")
    prepare.prepare([source], out, Recipe(side=48))
    assert sorted(made) == ["MSRVTT_Videos/video0.mp4", "MSRVTT_Videos/video1.webm"]


def test_shards_make_what_one_makes(tmp_path: Path) -> None:
    source = raw(tmp_path / "raw")
    words = ["prepare", str(source), "--out", str(tmp_path / "three"), "--side", "48", "--of", "3"]
    for shard in (2, 0, 1):
        assert not (tmp_path / "three/checksums.csv").exists()
        assert main([*words, "--shard", str(shard)]) == (3 if shard == 1 else 0)
    prepare.prepare([source], tmp_path / "one", Recipe(side=48))
    assert (tmp_path / "three/checksums.csv").read_bytes() == (tmp_path / "one/checksums.csv").read_bytes()


def test_users_errors_are_named(tmp_path: Path) -> None:
    source, recipe = raw(tmp_path / "raw"), Recipe(side=48)
    prepare.prepare([source], tmp_path / "small", recipe)
    for sources, out, how, message in (
        ([tmp_path / "none"], "x", recipe, "none: no such folder"),
        ([source], "raw/x", recipe, "lies in the source"),
        ([source, source], "x", recipe, "the same name"),
        ([source], "small", Recipe(side=32), "was begun with"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare.prepare(sources, tmp_path / out, how)
    with pytest.raises(ValueError, match="shards count from 0 to 1"):
        prepare.prepare([source], tmp_path / "x", recipe, shard=2, num_shards=2)
    with pytest.raises(ValueError, match="fps is above 0"):
        Recipe(fps=0.0)


def test_noise_keeps_its_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (150, 40, 24, 3), dtype=np.uint8)  # over one chunk
    source = write_video(tmp_path / "a.mp4", noise, fps=30.0)
    assert transcode(source, tmp_path / "b.mp4", Recipe(fps=30.0)) == count_frames(tmp_path / "b.mp4") == 150
