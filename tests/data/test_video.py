import math
import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from video_files import indices_of, ramp, write_video

from clipvip.data.media.file_header import VideoError, check_header
from clipvip.data.media.video import centres, count_frames, read_all, read_chunks, read_frames, resize, sample_indices


@pytest.mark.parametrize("ending", ["mp4", "avi", "mkv"])
@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {}),
        ("libx264", {"bf": "0", "g": "8"}),
        ("libx264", {"g": "12"}),
        ("mpeg4", {"bf": "2"}),
    ],
)
def test_the_frames_asked_for_are_the_frames_given(
    tmp_path: Path, ending: str, codec: str, options: dict[str, str]
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (70, 32, 64, 3), dtype=np.uint8)  # longer than what is decoded at a time
    path = write_video(tmp_path / f"a.{ending}", noise, codec=codec, options=options)
    with av.open(str(path)) as container:
        truth = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert count_frames(path) == len(truth) == 70
    for _ in range(2):
        np.testing.assert_array_equal(read_all(path), truth)
        np.testing.assert_array_equal(read_frames(path, [9, 2, 2, 61]), truth[[9, 2, 2, 61]])
        np.testing.assert_array_equal(read_all(path, fps=4.0), truth[::2])
        np.testing.assert_array_equal(read_all(path, start=1.0, end=2.0), truth[8:16])


def test_a_narrow_picture_is_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "narrow.mp4", ramp(16, 24, 24))
    assert count_frames(path) == 16
    assert indices_of(read_all(path)) == list(range(16))
    assert indices_of(read_frames(path, [7, 3, 7])) == [7, 3, 7]
    assert read_all(path).shape == (16, 24, 24, 3)


@pytest.mark.parametrize("side", [24, 64])
def test_a_stretch_holds_the_frames_from_start_up_to_end(tmp_path: Path, side: int) -> None:
    path = write_video(tmp_path / "a.mp4", ramp(16, side, side), fps=8.0)
    assert indices_of(read_all(path, start=0.5, end=1.0)) == [4, 5, 6, 7]
    assert indices_of(read_all(path, start=0.51, end=30.0)) == list(range(5, 16))
    with pytest.raises(VideoError, match=r"a\.mp4: no frame from 2 s to its end; the last one before is at 1.88 s"):
        read_all(path, start=2.0)


@pytest.mark.parametrize(
    ("fps", "kept"), [(4.0, [0, 2, 4, 6, 8, 10, 12, 14]), (3.0, [0, 3, 6, 8, 11, 14]), (50.0, [*range(16)]), (0.1, [0])]
)
def test_a_rate_thins_evenly(tmp_path: Path, fps: float, kept: list[int]) -> None:
    path = write_video(tmp_path / "a.mp4", ramp(16), fps=8.0)
    assert indices_of(read_all(path, fps=fps)) == kept


def test_long_files_come_in_pieces_that_join_to_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for width in (64, 24):
        path = write_video(tmp_path / f"{width}.mp4", rng.integers(0, 256, (150, 32, width, 3), dtype=np.uint8))
        pieces = list(read_chunks(path))
        assert [len(piece) for piece in pieces] == [64, 64, 22]
        np.testing.assert_array_equal(np.concatenate(pieces)[100:110], read_frames(path, range(100, 110)))


def test_an_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert count_frames(tmp_path / "a.png") == 1
    np.testing.assert_array_equal(read_all(tmp_path / "a.png"), pixels[None])
    np.testing.assert_array_equal(read_frames(tmp_path / "a.png", [0, 0]), pixels[None].repeat(2, 0))
    assert read_all(tmp_path / "grey.png").shape == (1, 5, 7, 3)


def _bad_files(folder: Path) -> dict[str, str]:
    whole = write_video(folder / "whole.avi", ramp(16)).read_bytes()
    (folder / "cut.avi").write_bytes(whole[: len(whole) // 2])
    moved = write_video(folder / "whole.mp4", ramp(16)).read_bytes()
    (folder / "cut.mp4").write_bytes(moved[: len(moved) // 2])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("404 not found")
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    Image.fromarray(ramp(1, 300, 300)[0]).save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:60])
    return {
        "cut.avi": "cut short",
        "cut.mp4": "cut short",
        "empty.mp4": "empty file",
        "text.mp4": "header of no known",
        "sound.mp4": "no video stream",
        "cut.png": "truncated|unrecognized",
        "absent.mp4": "No such file",
        "absent.png": "No such file",
    }


def test_a_picture_of_169_megapixels_is_refused_at_once(tmp_path: Path) -> None:
    Image.new("1", (13_000, 13_000)).save(tmp_path / "huge.png")  # 20 kB
    with pytest.raises(VideoError, match=r"huge.png: a picture of 13000 x 13000 pixels, more than 67,108,864"):
        count_frames(tmp_path / "huge.png")


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path: Path) -> None:
    for name, reason in _bad_files(tmp_path).items():
        with pytest.raises(VideoError, match=reason) as caught:
            read_all(tmp_path / name)
        assert caught.value.path == tmp_path / name
        assert name in str(caught.value)
        assert caught.value.reason in str(pickle.loads(pickle.dumps(caught.value)))  # crosses process borders


def test_the_cheap_check_finds_what_shows_without_decoding(tmp_path: Path) -> None:
    bad = _bad_files(tmp_path)
    for name in ("cut.avi", "empty.mp4", "text.mp4", "absent.mp4"):
        with pytest.raises(VideoError, match=bad[name]):
            check_header(tmp_path / name)
    write_video(tmp_path / "really_mp4.avi", ramp(4), form="mp4")
    for name in ("whole.avi", "whole.mp4", "whole.png", "really_mp4.avi"):
        check_header(tmp_path / name)


def test_a_frame_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ramp(4))
    for indices in ([4], [-1], []):
        with pytest.raises(VideoError, match="asked for"):
            read_frames(path, indices)


@given(st.integers(1, 400), st.integers(1, 40))
def test_evaluation_takes_frames_evenly_from_first_to_last(total: int, num_frames: int) -> None:
    indices = sample_indices(total, num_frames, rng=None)
    if num_frames == 1:
        assert list(indices) == list(centres(total, 1))
    else:
        assert list(indices) == [math.floor((total - 1) * i / (num_frames - 1) + 1e-9) for i in range(num_frames)]


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 9))
def test_training_moves_the_ends_by_at_most_one_interval(total: int, num_frames: int, seed: int) -> None:
    indices = sample_indices(total, num_frames, rng=np.random.default_rng(seed))
    assert len(indices) == num_frames
    assert (np.diff(indices) >= 0).all()
    assert indices[0] >= 0
    assert indices[-1] < total
    if num_frames > 2:
        interval = total // (num_frames - 1)
        assert indices[0] <= interval
        assert indices[-1] >= total - 1 - interval


def test_training_reaches_every_start_and_end() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_indices(16, 4, rng=rng) for _ in range(300)]
    assert {int(indices[0]) for indices in drawn} == set(range(6))
    assert {int(indices[-1]) for indices in drawn} == set(range(10, 16))


def test_the_middle_is_half_the_count() -> None:
    assert [centres(total, 1)[0] for total in (1, 2, 3, 16)] == [0, 1, 1, 8]
    assert [list(centres(total, 3)) for total in (1, 6, 16)] == [[0, 0, 0], [1, 3, 5], [2, 8, 13]]


def test_squash_agrees_with_pillow(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 90, 3), dtype=np.uint8)
    truth = np.stack([np.asarray(Image.fromarray(f).resize((24, 24), Image.Resampling.BICUBIC)) for f in frames])
    ours = resize(frames, 24, "squash")
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - truth).max() <= 1


def test_crop_keeps_the_aspect_and_takes_the_centre() -> None:
    frames = np.zeros((1, 40, 120, 3), dtype=np.uint8)
    frames[:, :, 40:80] = 200  # the middle third is what a square sees
    assert (resize(frames, 20, "crop")[:, :, 3:17] > 190).all()
    assert (resize(frames, 20, "squash")[:, :, :4] < 10).all()
    tall = resize(frames.transpose(0, 2, 1, 3), 21, "crop")
    assert tall.shape == (1, 21, 21, 3)


def test_frames_of_the_right_size_stay_as_they_are() -> None:
    frames = ramp(2, 24, 24)
    assert resize(frames, 24, "squash") is frames
