"""A small post-pretraining with its finished inputs, and the command that makes it, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.config.learning import ClipSettings, ModelSettings, OptimSettings
from clipvip.config.stages import OBJECTIVES, PretrainCell
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import write_spec


def pretrain_spec(root: Path, clip_folder: Path, *, steps: int, batch_size: int = 6, **model: Any) -> Path:
    """The spec of the cell; everything it reads is made."""
    world_settings = WorldSettings(part="msrvtt", clips={"train": 24, "test": 12})
    world = Cell("world", world_settings)
    corpus = Cell("corpus", CorpusSettings(format="msrvtt", world=world_settings, holdout=7), {"world": world})
    frames = Cell("frames", FramesSettings(size=24), {"corpus": corpus})
    clip = Cell("clip", ClipSettings(source=str(clip_folder)))
    for cell in (world, corpus, frames, clip):
        run_spec(write_spec(root, cell))
    settings = PretrainCell(
        model=ModelSettings(num_frames=4, num_proxies=2, **model),
        frames=FramesSettings(size=24),
        terms=OBJECTIVES["subtitle"],
        optim=OptimSettings(steps=steps, batch_size=batch_size, lr=1e-3),
        max_tokens=77,
        validate_every=steps,
    )
    inputs = {"clip": clip, "corpus": corpus, "frames": frames}
    inputs |= {"validation:corpus": corpus, "validation:frames": frames}
    return write_spec(root, Cell("pretrain", settings, inputs))


def start(*words: str | Path, processes: int = 1) -> subprocess.Popen[str]:
    """`clipvip` with these words, on one core each; by torchrun if there are several."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *launch, "-m", "clipvip", *map(str, words)]
    place = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    place["PYTHONPATH"] = str(Path(__file__).parent.parent)
    return subprocess.Popen(command, env=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
