"""Resizing without antialias, as floats, against the four taps of bicubic interpolation written out."""

import numpy as np

from clipvip.data.media.video import resize


def cubic(distance: float, a: float = -0.75) -> float:
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def unfiltered(line: np.ndarray, size: int) -> np.ndarray:
    """One line of pixels: four neighbours of each point, however much it shrinks."""
    found = []
    for place in range(size):
        point = (place + 0.5) * len(line) / size - 0.5
        first = int(np.floor(point)) - 1
        taps = [(cubic(point - at), line[min(max(at, 0), len(line) - 1)]) for at in range(first, first + 4)]
        found.append(sum(weight * value for weight, value in taps))
    return np.array(found)


def test_without_antialias_each_pixel_mixes_four() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, 60, 90, 3), dtype=np.uint8)
    found = resize(frames, 24, "squash", antialias=False)
    rows = np.apply_along_axis(unfiltered, 1, frames[0].astype(float), 24)
    truth = np.clip(np.round(np.apply_along_axis(unfiltered, 0, rows, 24)), 0, 255)
    assert found.dtype == np.uint8
    assert np.abs(found[0].astype(int) - truth).max() <= 1


def test_stripes_tell_the_two_apart() -> None:
    """Thin stripes turn grey under a filter and alias without one."""
    stripes = np.zeros((1, 96, 96, 3), dtype=np.uint8)
    stripes[:, :, ::3] = 255
    filtered, raw = (resize(stripes, 24, "squash", antialias=each).astype(int) for each in (True, False))
    assert filtered[:, 2:-2, 2:-2].std() < 5
    assert np.sqrt(((raw - filtered) ** 2).mean()) > 20


def test_crops_are_resized_the_same_way() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, 48, 96, 3), dtype=np.uint8)
    cut = resize(frames[:, :, 24:72], 24, "squash", antialias=False)
    assert np.abs(resize(frames, 24, "crop", antialias=False)[:, :, 2:-2].astype(int) - cut[:, :, 2:-2]).max() <= 1
