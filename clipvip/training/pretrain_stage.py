"""Post-pretraining: CLIP on videos with subtitles, captions or both (paper section 3.3)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import torch

from clipvip.config.stages import PretrainCell
from clipvip.data import manifest
from clipvip.data.batches import Batches
from clipvip.data.clips import open_clips
from clipvip.data.subsets import nested
from clipvip.data.text_store import Sentences
from clipvip.evaluation.embedding import load_model, load_tokenizer
from clipvip.evaluation.validation import open_split, validation
from clipvip.model.model_folder import save_tokenizer
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import written
from clipvip.training.loop import fit
from clipvip.training.schedule import num_steps

VALIDATION_TOKENS = 77


def make(settings: PretrainCell, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """A post-pretrained model under out/model, and history.csv. The last weights are kept: nothing is chosen."""
    torch.manual_seed(settings.seed)
    model, tokenizer = load_model(inputs["clip"], settings.model, settings.seed), load_tokenizer(inputs["clip"])
    batches = _batches(settings, inputs, tokenizer, run)
    steps = num_steps(settings.optim, batches.per_epoch)
    validate, at = None, frozenset[int]()
    if settings.validate_every:
        clips = open_clips(inputs, settings.frames, "validation:", work=run.work)
        split = open_split(inputs["validation:corpus"], "val")
        longest = min(VALIDATION_TOKENS, model.config.text_config.max_position_embeddings)
        at = frozenset([*range(0, steps, settings.validate_every), steps])

        def validate(m: Any) -> dict[str, float]:
            frames = settings.model.num_frames
            return validation(m, tokenizer, clips, split, frames, longest, workers=run.workers)

    history = fit(
        model, batches, settings.terms, settings.optim, run, name="post-pretraining", validate=validate, validate_at=at
    )
    with written(out / cell_files.HISTORY) as beside:
        pd.DataFrame(history).to_csv(beside, index=False)
    model.save_pretrained(out / "model")
    save_tokenizer(tokenizer, out / "model")
    captioned = len(batches.texts.get("caption", {}))
    facts = {
        "clips": len(batches.clip_ids),
        "captioned": captioned,
        "steps": steps,
        "epochs": steps / batches.per_epoch,
    }
    return facts | batches.clips.account()


def _batches(settings: PretrainCell, inputs: dict[str, Path], tokenizer: Any, run: Run) -> Batches:
    roles = {role for term in settings.terms for texts in term.values() for role in texts}
    clips = open_clips(inputs, settings.frames, work=run.work)
    clip_ids = manifest.clip_ids(inputs["corpus"], split="train")
    if settings.clips is not None:  # a smaller subset lies inside a larger one
        clip_ids = nested(clip_ids, settings.clips, seed=settings.subset_seed)
    texts: dict[str, Mapping[str, list[str]]] = {}
    for role in ("subtitle", "caption"):
        if role in roles:
            folder = run.work / f"{role}s"
            if run.rank == 0 and not folder.is_dir():  # an attempt before this one may have written them
                Sentences.write(_written(role, inputs), clip_ids, folder)
            run.agree(True)  # the texts are there
            texts[role] = Sentences(folder, clip_ids)
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
        shuffle=settings.optim.shuffle,
        keep_partial=settings.optim.keep_partial,
    )


def _written(role: str, inputs: dict[str, Path]) -> Iterator[Any]:
    """Arrow batches of clip id and text."""
    if role == "subtitle":
        return manifest.scan(inputs["corpus"], ["clip_id", "text"], split="train")
    captions = pq.ParquetFile(inputs["captions"] / cell_files.CAPTIONS)
    return captions.iter_batches(manifest.PART, columns=["clip_id", "caption"])  # type: ignore[no-any-return]
