"""How fast clips come from files: prepared against as they were, and this loader against the plain recipe. `make bench`
prints the table and writes results/video_speed.json.

The plain recipe: decord takes the frames at full size, floats are made of them, and these are resized.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from extent import ROUNDS, SLACK
from marks import NONE, Mark, Row, machine, missed, quotient, table, write
from measure import alternate
from video_files import write_video

from clipvip.data.media.transcode import Recipe, transcode
from clipvip.data.media.video import read_chosen, resize, sample_indices

RESULTS = Path(__file__).parents[2] / "results" / "video_speed.json"
NUM_FRAMES = 12


@dataclass(frozen=True)
class Source:
    """A video as it is found, and the size that a model takes."""

    height: int = 720
    width: int = 1280
    fps: int = 30
    seconds: float = 15.0
    key_every: int = 250
    size: int = 224

    def write(self, path: Path) -> Path:
        """A textured scene that the camera moves over, with noise: something for a decoder to do."""
        rng = np.random.default_rng(0)
        coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 30, 60)).astype(np.float32))
        large = torch.nn.functional.interpolate(coarse, (2 * self.height, 2 * self.width), mode="bicubic")
        scene = large[0].permute(1, 2, 0).clamp(0, 255).byte().numpy()
        noise = rng.integers(0, 12, scene.shape, dtype=np.uint8)
        scene = np.maximum(scene, noise) - noise
        count = int(self.fps * self.seconds)
        down, right = (np.linspace(0, side - 1, count).astype(int) for side in (self.height, self.width))
        views = (scene[y : y + self.height, x : x + self.width] for y, x in zip(down, right, strict=True))
        keys = {"g": str(self.key_every), "keyint_min": str(self.key_every), "sc_threshold": "0", "crf": "23"}
        return write_video(path, np.stack(list(views)), fps=self.fps, options=keys)


@pytest.fixture
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.slow
def test_table(one_thread: None, tmp_path: Path) -> None:
    source = Source()
    rows = video_rows(source, tmp_path, 5 * ROUNDS)
    write(rows, RESULTS, SLACK)
    print(f"\n{source}, {NUM_FRAMES} frames a clip\n{table(rows, SLACK)}\n\n{machine()}\n{RESULTS}")
    assert not missed(rows, SLACK)


def test_every_row_on_a_tiny_video(one_thread: None, tmp_path: Path) -> None:
    rows = video_rows(Source(height=64, width=128, fps=12, seconds=3, key_every=20, size=32), tmp_path, 1)
    assert len({row.what for row in rows}) == len(rows) == 4
    assert all(0 < row.low <= row.figure <= row.high for row in rows)
    ours, plainly = loaded(tmp_path / "prepared.mp4", 32), plain(tmp_path / "prepared.mp4", 32)
    assert np.abs(ours - plainly).max() <= 2  # levels of 255: bytes are resized as bytes


def video_rows(source: Source, folder: Path, rounds: int) -> list[Row]:
    """Seconds a clip, in turn, of 12 frames drawn evenly."""
    original, prepared = source.write(folder / "original.mp4"), folder / "prepared.mp4"
    transcode(original, prepared, Recipe(side=source.size))
    times = alternate(
        {
            "loader, prepared": lambda: loaded(prepared, source.size),
            "loader, original": lambda: loaded(original, source.size),
            "plain, prepared": lambda: plain(prepared, source.size),
            "plain, original": lambda: plain(original, source.size),
        },
        rounds,
    )
    sizes = f"({prepared.stat().st_size / 1e6:.2g} MB / {original.stat().st_size / 1e6:.2g} MB)"
    pairs = [
        ("prepared against original file", "loader, original", "loader, prepared", Mark(least=5), sizes),
        ("prepared against plain recipe on original", "plain, original", "loader, prepared", Mark(least=5), ""),
        ("loader against plain recipe, original", "plain, original", "loader, original", NONE, ""),
        ("loader against plain recipe, prepared", "plain, prepared", "loader, prepared", NONE, ""),
    ]
    return [quotient(f"clips/s, {what}", times, upper, lower, *rest) for what, upper, lower, *rest in pairs]


def loaded(path: Path, size: int) -> np.ndarray:
    """As training reads a clip."""
    frames = read_chosen(path, lambda total: sample_indices(total, NUM_FRAMES, rng=None), fps=3.0)
    return resize(frames, size, "squash").astype(np.float32)


def plain(path: Path, size: int) -> np.ndarray:
    import decord  # has wheels for Linux on x86-64 alone

    reader = decord.VideoReader(str(path), num_threads=1)
    frames = reader.get_batch(np.linspace(0, len(reader) - 1, NUM_FRAMES).astype(int)).asnumpy()
    floats = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    scaled = torch.nn.functional.interpolate(floats, (size, size), mode="bicubic", antialias=True)
    return scaled.clamp(0, 255).permute(0, 2, 3, 1).numpy()
