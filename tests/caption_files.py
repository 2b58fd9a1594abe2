"""What the tests of captioning share: a corpus of one-coloured images, the settings of a captioner that learns them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from clipvip.config.data import FramesSettings
from clipvip.config.learning import CaptionerSettings, CaptionsSettings, OptimSettings, TinyCaptioner
from clipvip.corpora.captions.captioner import Captioner
from clipvip.data import frame_cache, manifest
from clipvip.runtime.context import Run
from clipvip.training import captioner_stage, tiny_captioner

SIDE = 16
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230)}
SHAPE = TinyCaptioner(image_size=SIDE, patch_size=8, width=16, vision_layers=1, text_layers=1, heads=2, vocab_size=60)
OPTIM = OptimSettings(steps=60, batch_size=16, lr=1e-2, weight_decay=0.0, warmup=0.05)
TRAINED = CaptionerSettings(shape=SHAPE, corpus="coco", optim=OPTIM)
CAPTIONS = CaptionsSettings(max_tokens=8, frames=FramesSettings(size=SIDE))


def write_corpus(root: Path, split_sizes: dict[str, int]) -> Path:
    """Images of one colour each, two captions an image."""
    (root / "media").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for split, count in split_sizes.items():
        for number in range(count):
            colour = list(COLOURS)[number % 3]
            pixels = np.clip(rng.normal(COLOURS[colour], 12, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
            path = f"media/{split}{number:03d}.png"
            Image.fromarray(pixels).save(root / path)
            for text in (f"a {colour} picture", f"{colour} all over"):
                place = {"path": path, "start": None, "end": None, "split": split}
                rows.append({"clip_id": path[6:-4], **place, "text": text, "source": "caption"})
    (root / "corpus").mkdir()
    manifest.write(pd.DataFrame(rows), root / "corpus", root=root, format="coco")
    return root / "corpus"


def state(**changes: Any) -> str:
    seen = {"colour": "red", "shape": "ring", "background": "grass", "size": "small", "light": "dim", "place": "left"}
    return json.dumps({**seen, "visible": True, **changes})


def write_git(folder: Path) -> Path:
    """A GIT captioner of random weights."""
    processor = tiny_captioner.make_processor([f"a {colour} picture" for colour in COLOURS], SHAPE)
    torch.manual_seed(1)
    Captioner(processor, tiny_captioner.make_model(SHAPE, processor.tokenizer)).save(folder)
    return folder


def trained(place: Path) -> Path:
    """A captioner's model folder below `place`, which has learnt three colours."""
    corpus = write_corpus(place / "coco", {"train": 60, "val": 12})
    for name in ("frames", "out", "work"):
        (place / name).mkdir()
    frame_cache.make(FramesSettings(size=SIDE), {"corpus": corpus}, place / "frames", Run(work=place))
    captioner_stage.make(
        TRAINED, {"corpus": corpus, "frames": place / "frames"}, place / "out", Run(work=place / "work")
    )
    return place / "out" / "model"
