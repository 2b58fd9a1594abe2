"""Post-pretraining: CLIP on videos with subtitles, captions or both (paper section 3.3)."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from clipvip import manifest
from clipvip.batches import Batches, Clips, open_clips, texts_by_clip
from clipvip.config import PretrainCell
from clipvip.embed import load_model, load_tokenizer
from clipvip.run import Run
from clipvip.schedule import num_steps
from clipvip.train import fit
from clipvip.validate import open_split, validation

VALIDATION_TOKENS = 77


def make(settings: PretrainCell, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """A post-pretrained model under out/model, and history.csv. The last weights are kept: nothing is chosen."""
    torch.manual_seed(settings.seed)
    model, tokenizer = load_model(inputs["clip"], settings.model, settings.seed), load_tokenizer(inputs["clip"])
    batches = _batches(settings, inputs, tokenizer, run.work)
    steps = num_steps(settings.optim, len(batches))
    validate, at = None, frozenset[int]()
    if settings.validate_every:
        clips = open_clips(inputs, settings.frames, "validation:", work=run.work)
        split = open_split(inputs["validation:corpus"], clips, "val")
        at = frozenset([*range(0, steps, settings.validate_every), steps])

        def validate(m: Any) -> dict[str, float]:
            return validation(m, tokenizer, clips, split, settings.model.num_frames, VALIDATION_TOKENS)

    history = fit(
        model, batches, settings.terms, settings.optim, run, name="post-pretraining", validate=validate, validate_at=at
    )
    pd.DataFrame(history).to_csv(out / "history.csv", index=False)
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    captioned = len(batches.texts.get("caption", {}))
    facts = {"clips": len(batches.clip_ids), "captioned": captioned, "steps": steps, "epochs": steps / len(batches)}
    return facts | batches.clips.account()


def _batches(settings: PretrainCell, inputs: dict[str, Path], tokenizer: Any, work: Path) -> Batches:
    roles = {role for term in settings.terms for texts in term.values() for role in texts}
    rows = manifest.read(inputs["corpus"], split="train")
    clips = open_clips(inputs, settings.frames, work=work)
    clip_ids = _subset(settings, clips, rows)
    chosen = set(clip_ids)
    texts = {}
    if "subtitle" in roles:
        texts["subtitle"] = texts_by_clip(rows[rows["clip_id"].isin(chosen)])
    if "caption" in roles:
        captions = pd.read_parquet(inputs["captions"] / "captions.parquet", columns=["clip_id", "caption"])
        texts["caption"] = texts_by_clip(captions[captions["clip_id"].isin(chosen)], "caption")
    return Batches(
        clips=clips,
        clip_ids=clip_ids,
        texts=texts,
        tokenizer=tokenizer,
        num_frames=settings.model.num_frames,
        max_tokens=settings.max_tokens,
        batch_size=settings.optim.batch_size,
        seed=settings.seed,
        with_frame=any("frame" in term for term in settings.terms),
    )


def _subset(settings: PretrainCell, clips: Clips, rows: pd.DataFrame) -> list[str]:
    """The clips to learn from; a smaller subset lies inside a larger one."""
    clip_ids = clips.readable(list(manifest.clips(rows)["clip_id"]))
    if settings.clips is None:
        return clip_ids
    return manifest.subset(clip_ids, settings.clips, seed=settings.subset_seed)
