"""The starting point: a CLIP from a folder or a hub, or a small one trained here on image-text pairs."""

from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ClipSettings, ModelSettings
from clipvip.data import manifest
from clipvip.data.batches import Batches, texts_by_clip
from clipvip.data.clips import open_clips
from clipvip.evaluation.validation import open_split, validation
from clipvip.model.clip_vip import ClipVip
from clipvip.model.model_folder import own_settings, read_model, save_tokenizer
from clipvip.model.pixels import read_pixels, write_pixels
from clipvip.model.source import read_tokenizer
from clipvip.model.tiny_clip import tiny_clip
from clipvip.model.tokenizer import train_tokenizer
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import written
from clipvip.training.loop import VIDEO_TEXT, fit
from clipvip.training.schedule import num_steps

VALIDATIONS = 5


def make(settings: ClipSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """A transformers CLIP folder with its tokenizer under out/model."""
    if settings.source is not None:
        return _fetch(settings.source, out / "model")
    assert settings.shape is not None
    assert settings.optim is not None
    frames = settings.frames or FramesSettings(size=settings.shape.image_size)
    if frames.size != settings.shape.image_size:
        raise ValueError(
            f"frames.size is {frames.size}, clip.shape.image_size {settings.shape.image_size}: make them one"
        )
    clips = open_clips(inputs, frames, work=run.work)
    rows = manifest.read(inputs["corpus"], split="train")
    tokenizer = train_tokenizer(rows["text"], settings.shape.vocab_size, settings.shape.max_tokens)
    clip = tiny_clip(settings.shape, tokenizer, settings.seed)
    model = ClipVip.from_clip(clip, ModelSettings(pooling="mean", num_frames=1))  # an image is a one-frame video
    texts = texts_by_clip(rows)
    batches = Batches(
        clips=clips,
        clip_ids=list(texts),
        texts={"subtitle": texts},
        tokenizer=tokenizer,
        num_frames=1,
        max_tokens=settings.shape.max_tokens,
        batch_size=settings.optim.batch_size,
        seed=settings.seed,
        keep_partial=settings.optim.keep_partial,
    )
    split = open_split(inputs["corpus"], "val")
    steps = num_steps(settings.optim, batches.per_epoch)
    history = fit(
        model,
        batches,
        VIDEO_TEXT,
        settings.optim,
        run,
        name="starting CLIP",
        validate=lambda m: validation(m, tokenizer, clips, split, 1, batches.max_tokens, workers=run.workers),
        validate_at=frozenset(round(steps * i / VALIDATIONS) for i in range(VALIDATIONS + 1)),
    )
    with written(out / cell_files.HISTORY) as beside:
        pd.DataFrame(history).to_csv(beside, index=False)
    clip.save_pretrained(out / "model")
    save_tokenizer(tokenizer, out / "model")
    facts = {"images": len(batches.clip_ids), "steps": steps, "validation": history[-1], "vocabulary": len(tokenizer)}
    return facts | clips.account()


def _fetch(source: str, folder: Path) -> dict[str, Any]:
    """Copy a CLIP (or SigLIP) of a local folder or of the hub, so that the cell needs nothing else."""
    if own_settings(source) is not None:
        raise ValueError(
            f"clip.source: {source} is a CLIP-ViP, whose proxies and temporal embedding a starting CLIP would lose; "
            "give it as pretrain: {source: ...}"
        )
    clip, _ = read_model(source, None)
    tokenizer = read_tokenizer(source, clip.config.text_config.vocab_size)
    clip.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    write_pixels(read_pixels(source, clip.config.model_type), clip.config.model_type, folder)
    return {"source": source, "parameters": clip.num_parameters()}
