"""Scenes and their frames: backwards runs, order at the model's sampling, what survives the encoder."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from clipvip.corpora.synthetic.media import write_image, write_video
from clipvip.corpora.synthetic.render import PALETTE, render
from clipvip.corpora.synthetic.scenes import Scene, facts, facts_at, reverse, sample, values
from clipvip.corpora.synthetic.world import times

PLAIN = Scene(
    colour=0,
    shape=0,
    background=1,
    radius=0.27,
    gain=0.95,
    x=0.5,
    y=0.5,
    alpha=1.0,
    tint=(1.0, 1.0, 1.0),
    texture=(0.3, 0.6, 1.0),
    grain=0.5,
)


def scenes(count: int, seed: int = 0) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [sample(rng) for _ in range(count)]


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def small(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).resize((24, 24), Image.Resampling.BICUBIC)).astype(float)


def test_reverse_shows_the_same_states_from_last_to_first():
    for scene in scenes(40):
        ahead, back = (render(s, times(16), 32, grain=False) for s in (scene, reverse(scene)))
        assert np.abs(ahead.astype(int) - back[::-1]).max() <= 1  # rounding of 1 - (1 - u)


def test_reverse_twice_is_the_scene_itself():
    for scene in scenes(40, seed=1):
        again = reverse(reverse(scene))
        assert [e.code for e in again.events] == [e.code for e in scene.events]
        assert facts(again) == facts(scene)


def test_each_attribute_changes_at_most_once_and_codes_are_undone():
    undone = {0: 1, 1: 0, 2: 3, 3: 2, 4: 5, 5: 4, 6: 7, 7: 6}
    for scene in scenes(300, seed=2):
        attributes = [event.attribute for event in scene.events]
        assert len(set(attributes)) == len(attributes)
        assert "alpha" not in attributes or len(attributes) == 1
        for ahead, back in zip(scene.events, reversed(reverse(scene).events), strict=True):
            assert undone.get(ahead.code, 8 + scene.colour) == back.code


def test_four_even_frames_show_both_events_in_order():
    at = times(16)[[0, 5, 10, 15]]
    pairs = [scene for scene in scenes(300, seed=3) if len(scene.events) == 2]
    assert 120 < len(pairs) < 180  # half of all
    for scene in pairs:
        first, second = (values(scene, at)[event.attribute] for event in scene.events)
        assert first[0] != first[1] == first[2] == first[3]
        assert second[0] == second[1] == second[2] != second[3]


def test_facts_hold_throughout_or_are_unsaid():
    for scene in scenes(100, seed=4):
        ends = facts_at(scene, 0.0)[0], facts_at(scene, 1.0)[0]
        for slot, value in facts(scene).items():
            if slot == "colour":
                assert value == ends[0][slot]
            elif value == -1:
                assert ends[0][slot] != ends[1][slot]
            else:
                assert value == ends[0][slot] == ends[1][slot]


@pytest.mark.parametrize("background", range(5))
def test_colour_survives_encoder_and_small_frame(tmp_path: Path, background: int):
    for colour in range(6):
        scene = replace(PLAIN, colour=colour, background=background)
        write_video(tmp_path / "clip.mp4", render(scene, times(16), 64), 8.0)
        centre = small(decoded(tmp_path / "clip.mp4")[8])[11:13, 11:13].mean(axis=(0, 1)) / scene.gain
        assert np.abs(centre - PALETTE[colour]).max() < 25
        assert np.abs(centre - PALETTE).sum(axis=1).argmin() == colour


@pytest.mark.parametrize("shape", range(4))
def test_size_survives_encoder_and_small_frame(tmp_path: Path, shape: int):
    areas = []
    for radius in (0.14, 0.27, 0.36):
        scene = replace(PLAIN, shape=shape, radius=radius)
        write_video(tmp_path / "clip.avi", render(scene, times(4), 64), 8.0)
        redness = small(decoded(tmp_path / "clip.avi")[2])
        areas.append(((redness[..., 0] - redness[..., 2]) > 60).sum())
    assert areas[0] >= 5
    assert areas[1] > 2 * areas[0]
    assert areas[2] > 1.3 * areas[1]


def test_video_has_every_frame_and_the_same_bytes_again(tmp_path: Path):
    shown = render(scenes(1)[0], times(16), 64)
    for name in ("a.mp4", "b.mp4", "a.avi", "b.avi"):
        write_video(tmp_path / name, shown, 8.0)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a.avi").read_bytes() == (tmp_path / "b.avi").read_bytes()
    assert (tmp_path / "a.avi").read_bytes()[:4] == b"RIFF"
    for name in ("a.mp4", "a.avi"):
        assert decoded(tmp_path / name).shape == shown.shape
        assert np.abs(decoded(tmp_path / name).astype(int) - shown).mean() < 6


def test_odd_sides_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="even `pixels`"):
        write_video(tmp_path / "a.mp4", np.zeros((2, 33, 33, 3), dtype=np.uint8), 8.0)


def test_images_keep_their_pixels(tmp_path: Path):
    frame = render(PLAIN, np.zeros(1), 64)[0]
    write_image(tmp_path / "a.png", frame)
    write_image(tmp_path / "a.jpg", frame)
    for name, most in (("a.png", 0), ("a.jpg", 3)):
        with Image.open(tmp_path / name) as image:
            assert np.abs(np.asarray(image).astype(int) - frame).mean() <= most
