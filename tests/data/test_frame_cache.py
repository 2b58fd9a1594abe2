import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from video_files import indices_of, ramp, write_video

from clipvip.config.data import FramesSettings
from clipvip.data import manifest
from clipvip.data.frame_cache import FrameCache, make
from clipvip.data.media.video import read_all, resize
from clipvip.runtime.context import Run

LENGTHS = {"long": 16, "short": 3, "middle": 9}


def _corpus(tmp_path: Path, *, max_bad: float, broken: bool) -> Path:
    """Clips of several lengths, one a stretch of a file, two texts each; and one that breaks in its middle."""
    rng = np.random.default_rng(0)
    places = [(name, f"{name}.mp4", None, None) for name in LENGTHS] + [("stretch", "long.mp4", 0.5, 1.0)]
    for name, length in LENGTHS.items():
        write_video(tmp_path / "media" / f"{name}.mp4", ramp(length, 48, 64))
    if broken:
        path = write_video(tmp_path / "media/broken.mp4", rng.integers(0, 256, (200, 32, 32, 3), dtype=np.uint8))
        data = bytearray(path.read_bytes())
        data[len(data) * 3 // 4 : len(data) * 3 // 4 + 20000] = bytes(20000)
        path.write_bytes(data)
        (tmp_path / "media/empty.mp4").touch()
        places[1:1] = [("broken", "broken.mp4", None, None), ("empty", "empty.mp4", None, None)]
    rows = [(*place, text) for place in places for text in ("a", "b")]
    table = pd.DataFrame(rows, columns=["clip_id", "path", "start", "end", "text"])
    folder = tmp_path / "cells/corpus/k"
    folder.mkdir(parents=True)
    table = table.assign(source="caption", split="train")
    manifest.write(table, folder, root=tmp_path / "media", format="msrvtt", max_bad=max_bad)
    return folder


def _made(tmp_path: Path, corpus: Path, settings: FramesSettings) -> tuple[dict[str, object], Path]:
    out = tmp_path / "frames"
    out.mkdir()
    return make(settings, {"corpus": corpus}, out, Run(work=tmp_path)), out


def test_every_clip_is_cached_as_it_would_be_decoded(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path, max_bad=0.0, broken=False)
    facts, out = _made(tmp_path, corpus, FramesSettings(size=24))
    cache = FrameCache.open(out)
    assert facts | {"clips_per_s": 0} == {"clips": 4, "frames": 32, "unreadable": [], "clips_per_s": 0}
    assert cache.clip_ids == ["long", "short", "middle", "stretch"]
    assert [cache.count(position) for position in range(len(cache))] == [16, 3, 9, 4]
    assert np.load(out / "frames.npy").shape == (32, 24, 24, 3)  # a plain .npy file
    for name, length in LENGTHS.items():
        whole = resize(read_all(tmp_path / "media" / f"{name}.mp4"), 24, "squash")
        np.testing.assert_array_equal(cache.read(cache.position[name], range(length)), whole)
    assert indices_of(cache.read(cache.position["stretch"], [3, 0, 0])) == [7, 4, 4]


def test_the_rate_and_the_crop_are_applied(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path, max_bad=0.0, broken=False)
    _, out = _made(tmp_path, corpus, FramesSettings(size=16, fps=4.0, resize="crop"))
    cache = FrameCache.open(out)
    assert [cache.count(position) for position in range(len(cache))] == [8, 2, 5, 2]
    assert indices_of(cache.read(0, range(8))) == list(range(0, 16, 2))


def test_unreadable_clips_are_left_out_and_named(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path, max_bad=0.5, broken=True)
    facts, out = _made(tmp_path, corpus, FramesSettings(size=24))
    cache = FrameCache.open(out)
    assert cache.clip_ids == ["long", "short", "middle", "stretch"]
    unreadable = facts["unreadable"]
    assert isinstance(unreadable, list)
    assert [entry["clip_id"] for entry in unreadable] == ["broken", "empty"]
    assert unreadable[1]["reason"] == "empty file"
    assert indices_of(cache.read(1, range(3))) == [
        0,
        1,
        2,
    ]  # nothing of the broken clip is left
    assert (out / "frames.npy").stat().st_size == 128 + 32 * 24 * 24 * 3
    assert np.load(out / "frames.npy").shape == (32, 24, 24, 3)


def test_too_many_unreadable_clips_stop_the_stage(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path, max_bad=0.05, broken=True)
    with pytest.raises(ValueError, match=r"2 of 6 clips \(33.3%\).*broken, empty.*`max_bad`"):
        _made(tmp_path, corpus, FramesSettings(size=24))


def test_a_cache_never_hands_out_the_frames_of_a_neighbour(tmp_path: Path) -> None:
    _, out = _made(tmp_path, _corpus(tmp_path, max_bad=0.0, broken=False), FramesSettings(size=24))
    cache = pickle.loads(pickle.dumps(FrameCache.open(out)))  # as a worker process gets it
    for indices in ([3], [-1]):
        with pytest.raises(IndexError, match="clip 'short' has 3 frames"):
            cache.read(1, indices)


def test_a_cache_that_is_not_there_or_torn_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"clips.parquet: no such file"):
        FrameCache.open(tmp_path)
    _, out = _made(tmp_path, _corpus(tmp_path, max_bad=0.0, broken=False), FramesSettings(size=24))
    np.save(out / "frames.npy", np.zeros((31, 24, 24, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"holds 31 frames, clips\.parquet 32"):
        FrameCache.open(out)
