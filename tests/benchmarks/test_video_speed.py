"""How fast clips come from files: prepared against as they were, from tar shards, and this loader against the plain
recipe. `make bench` prints the table and writes results/video_speed.json.

The plain recipe: decord takes the frames at full size, floats are made of them, and these are resized. The bound of a
shard: its bytes read, the chosen pictures decoded, converted and of the right size, and nothing else.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch
from extent import ROUNDS, SLACK
from marks import NONE, Mark, Row, machine, missed, quotient, table, write
from measure import alternate
from video_files import write_video

from clipvip.config.data import CorpusSettings, FramesSettings
from clipvip.corpora import corpus_stage
from clipvip.corpora.shards import ShardRecipe, write_shards
from clipvip.data import manifest
from clipvip.data.clips import Clips
from clipvip.data.media.transcode import Recipe, transcode
from clipvip.data.media.video import read_chosen, resize, sample_indices
from clipvip.runtime.context import Run

RESULTS = Path(__file__).parents[2] / "results" / "video_speed.json"
NUM_FRAMES = 12
CLIP = "clip"


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
    assert len({row.what for row in rows}) == len(rows) == 7
    assert all(0 < row.low <= row.figure <= row.high for row in rows)
    ours, plainly = loaded(tmp_path / "prepared.mp4", 32), plain(tmp_path / "prepared.mp4", 32)
    assert np.abs(ours - plainly).max() <= 2  # levels of 255: bytes are resized as bytes
    small = Clips(tmp_path / "small-cell", None, FramesSettings(size=32, fps=3.0))
    assert np.array_equal(bare(tmp_path / "small", 32), small.sample(CLIP, NUM_FRAMES, None))


def video_rows(source: Source, folder: Path, rounds: int) -> list[Row]:
    """Seconds a clip, in turn, of 12 frames drawn evenly."""
    original, prepared = source.write(folder / "original.mp4"), folder / "prepared.mp4"
    transcode(original, prepared, Recipe(side=source.size))
    plainly, sharded = corpora(folder, source.size)
    times = alternate(
        {
            "loader, prepared": lambda: loaded(prepared, source.size),
            "loader, original": lambda: loaded(original, source.size),
            "loader, shard": lambda: sharded.sample(CLIP, NUM_FRAMES, None),
            "plain, prepared": lambda: plain(prepared, source.size),
            "plain, original": lambda: plain(original, source.size),
            "one decode": lambda: plainly.pictures(CLIP, NUM_FRAMES, None, with_middle=True),
            "two decodes": lambda: (plainly.sample(CLIP, NUM_FRAMES, None), plainly.middle(CLIP)),
        },
        rounds,
    )
    clip_after_clip = alternate(  # as training reads: nothing else pushes the few ms of a clip out of the caches
        {
            "loader, shard": lambda: sharded.sample(CLIP, NUM_FRAMES, None),
            "bound, shard": lambda: bare(folder / "small", source.size),
        },
        8 * rounds,
    )
    sizes = f"({prepared.stat().st_size / 1e6:.2g} MB / {original.stat().st_size / 1e6:.2g} MB)"
    pairs = [
        ("prepared against original file", "loader, original", "loader, prepared", Mark(least=5), sizes),
        ("prepared against plain recipe on original", "plain, original", "loader, prepared", Mark(least=5), ""),
        ("loader against plain recipe, original", "plain, original", "loader, original", NONE, ""),
        ("loader against plain recipe, prepared", "plain, prepared", "loader, prepared", NONE, ""),
        ("shards against plain recipe on original", "plain, original", "loader, shard", Mark(least=8), ""),
        ("middle frame from one decode, not two", "two decodes", "one decode", Mark(least=1.5), ""),
    ]
    rows = [quotient(f"clips/s, {what}", times, upper, lower, *rest) for what, upper, lower, *rest in pairs]
    bound = ("loader, shard", "bound, shard", Mark(most=1.2))
    return [*rows, quotient("time, shard, against its bound", clip_after_clip, *bound)]


def corpora(folder: Path, size: int) -> tuple[Clips, Clips]:
    """The original as a corpus of one clip, and its shard."""
    row = {"clip_id": CLIP, "path": "original.mp4", "start": None, "end": None, "text": "said"}
    for name in ("cell", "small-cell"):
        (folder / name).mkdir()
    rows = pd.DataFrame([{**row, "source": "subtitle", "split": "train"}])
    manifest.write(rows, folder / "cell", root=folder, format="folder")
    write_shards(folder / "cell", folder / "small", ShardRecipe(side=size))
    small = CorpusSettings(format="webdataset", root=str(folder / "small"))
    corpus_stage.make(small, {}, folder / "small-cell", Run(work=folder))
    frames = FramesSettings(size=size, fps=3.0)
    return Clips(folder / "cell", None, frames), Clips(folder / "small-cell", None, frames)


def bare(shards: Path, size: int) -> np.ndarray:
    """The frames of the first clip of the first shard."""
    path = shards / "000000.tar"
    handle = os.open(path, os.O_RDONLY)
    length = int(os.pread(handle, 12, 124).strip(b"\0"), 8)  # in the header of the member
    content = os.pread(handle, length, 512)
    os.close(handle)
    with av.open(io.BytesIO(content)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        packets = [packet for packet in container.demux(video=0) if packet.size]  # each a picture of its own
        wanted = sample_indices(len(packets), NUM_FRAMES, rng=None)
        chosen = [packets[int(at)].decode()[0].to_ndarray(format="rgb24") for at in wanted]
    return resize(np.stack(chosen), size, "squash")


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
