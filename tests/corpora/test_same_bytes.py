"""The same frames are the same bytes, however full the heap is: videos and images of a world, prepared videos."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from heap import rubbish
from video_files import write_video as write_source

from clipvip.corpora.synthetic.media import write_image, write_video
from clipvip.corpora.synthetic.render import render
from clipvip.corpora.synthetic.scenes import sample
from clipvip.corpora.synthetic.world import times
from clipvip.data.media.transcode import Recipe, transcode

SIDES = [(32, 32), (48, 48), (56, 56), (64, 64), (96, 96), (112, 112), (128, 128), (224, 224), (240, 180), (322, 240)]
SCENES = 3  # not every picture shows the fault


def shown(width: int, height: int, seed: int) -> np.ndarray:
    side = max(width, height)
    return np.ascontiguousarray(render(sample(np.random.default_rng(seed)), times(16), side)[:, :height, :width])


def versions(write: Callable[[Path], object], path: Path, repeats: int) -> int:
    sums = set()
    for _ in rubbish(repeats):
        write(path)
        sums.add(hashlib.sha256(path.read_bytes()).hexdigest())
    return len(sums)


def check_world(folder: Path, width: int, height: int, repeats: int) -> None:
    for seed in range(SCENES):
        frames = shown(width, height, seed)
        for name in ("a.mp4", "a.avi"):
            assert versions(partial(write_video, frames=frames, fps=8.0), folder / name, repeats) == 1
        for name in ("a.jpg", "a.png"):
            assert versions(partial(write_image, frame=frames[0]), folder / name, repeats) == 1


def check_prepared(folder: Path, width: int, height: int, repeats: int) -> None:
    for seed in range(SCENES):
        source = write_source(folder / f"{seed}.mp4", shown(width, height, seed))
        for recipe in (Recipe(fps=8.0), Recipe(fps=4.0, side=min(width, height) // 2)):
            assert versions(partial(transcode, source, recipe=recipe), folder / "small.mp4", repeats) == 1


@pytest.mark.parametrize(("width", "height"), [(48, 48), (64, 64), (96, 96), (240, 180)])
def test_few_times(tmp_path: Path, width: int, height: int):
    check_world(tmp_path, width, height, 4)
    check_prepared(tmp_path, width, height, 4)


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_world, check_prepared])
@pytest.mark.parametrize(("width", "height"), SIDES)
def test_hundred_times(tmp_path: Path, width: int, height: int, check: Callable[[Path, int, int, int], None]):
    check(tmp_path, width, height, 100)
