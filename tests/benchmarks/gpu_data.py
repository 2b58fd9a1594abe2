"""What the GPU rows train on: tar shards of small clips, as `clipvip prepare --shards` writes them, and a tokenizer."""

import itertools
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipvip.config.data import CorpusSettings, FramesSettings
from clipvip.corpora.corpus_stage import make
from clipvip.corpora.shards import add
from clipvip.data import manifest
from clipvip.data.batches import Batches, texts_by_clip
from clipvip.data.clips import Clips
from clipvip.data.media import still_frames
from clipvip.model.tokenizer import train_tokenizer
from clipvip.runtime.context import Run

DISTINCT = 64  # clips that are drawn; the shards repeat them
WORDS = ["".join(pair) for pair in itertools.product(("ka", "lo", "mi", "ne", "ru", "ta"), ("sa", "de", "vi", "po"))]
SPOKEN, SEEN = 33, 10  # words of a subtitle (the paper's mean) and of a caption


def scene(rng: np.random.Generator, frames: int, size: int) -> np.ndarray:
    """A textured scene that the camera moves over: [frames, size, size, 3]."""
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 12, 12)).astype(np.float32))
    large = torch.nn.functional.interpolate(coarse, (size + frames, size + frames), mode="bicubic")
    canvas = large[0].permute(1, 2, 0).clamp(0, 255).byte().numpy()
    canvas = np.maximum(canvas, 8) - rng.integers(0, 8, canvas.shape, dtype=np.uint8)
    return np.stack([canvas[at : at + size, at : at + size] for at in range(frames)])


def shards(folder: Path, clips: int, *, frames: int, size: int, of: int = 512) -> Path:
    """A corpus cell over tar shards of so many clips of so many frames."""
    rng = np.random.default_rng(0)
    made = [still_frames.encode(scene(rng, frames, size), 3.0, 2) for _ in range(min(DISTINCT, clips))]
    (folder / "shards").mkdir(parents=True)
    for start in range(0, clips, of):
        with tarfile.open(folder / "shards" / f"{start // of:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in range(start, min(start + of, clips)):
                add(tar, f"{number:08d}.mkv", made[number % len(made)])
                said = {"clip_id": f"clip{number}", "text": " ".join(rng.choice(WORDS, SPOKEN))}
                add(tar, f"{number:08d}.json", json.dumps(said).encode())
    out = folder / "corpus"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    make(CorpusSettings(format="webdataset", root=str(folder / "shards")), {}, out, Run(work=folder))
    return out


def tokenizer() -> Any:
    """Whose words are about a token each."""
    return train_tokenizer(WORDS, 1000, 77)


def batches(corpus: Path, pieces: Any, *, size: int, frames: int, batch_size: int, shuffle: int | None) -> Batches:
    """What post-pretraining with objective (d) reads."""
    rows = texts_by_clip(manifest.read(corpus))
    captions = {clip_id: [" ".join(texts[0].split()[:SEEN])] for clip_id, texts in rows.items()}
    return Batches(
        clips=Clips(corpus, None, FramesSettings(size=size, fps=3.0)),
        clip_ids=list(rows),
        texts={"subtitle": rows, "caption": captions},
        tokenizer=pieces,
        num_frames=frames,
        max_tokens=70,
        batch_size=batch_size,
        seed=0,
        with_frame=True,
        shuffle=shuffle,
    )
