"""Fine-tuning on a downstream set; the checkpoint is chosen on its val split, or is the last (paper section 4.1).

Of those on val, the starting point is one unless `keep_start` is off: where training only hurts, it stays.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from clipvip.config.stages import FinetuneCell
from clipvip.data import manifest
from clipvip.data.batches import Batches, texts_by_clip
from clipvip.data.clips import open_clips
from clipvip.evaluation.embedding import load_model, load_tokenizer
from clipvip.evaluation.validation import open_split, validation
from clipvip.model.model_folder import save_tokenizer
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import written
from clipvip.training.loop import VIDEO_TEXT, fit, mean_recall
from clipvip.training.schedule import num_steps


def make(settings: FinetuneCell, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """The model kept under out/model, and history.csv; `kept` in the receipt is its step."""
    torch.manual_seed(settings.seed)
    model = load_model(inputs["model"], settings.model, settings.seed)
    tokenizer = load_tokenizer(inputs["model"])
    clips = open_clips(inputs, settings.frames, work=run.work)
    texts = texts_by_clip(manifest.read(inputs["corpus"], split="train"))
    batches = Batches(
        clips=clips,
        clip_ids=list(texts),
        texts={"subtitle": texts},
        tokenizer=tokenizer,
        num_frames=settings.num_frames,
        max_tokens=settings.max_tokens,
        batch_size=settings.optim.batch_size,
        seed=settings.seed,
        shuffle=settings.optim.shuffle,
        keep_partial=settings.optim.keep_partial,
    )
    steps = num_steps(settings.optim, batches.per_epoch)
    chosen: dict[str, Any] = {}
    if settings.keep == "best":
        split, count = open_split(inputs["corpus"], "val"), settings.validations
        looks = {round(steps * (i + 1) / count) for i in range(count)}
        chosen = {
            "validate": lambda m: validation(
                m, tokenizer, clips, split, settings.num_frames, settings.max_tokens, workers=run.workers
            ),
            "validate_at": frozenset(looks | ({0} if settings.keep_start else set())),
            "keep_best": True,
        }
    history = fit(model, batches, VIDEO_TEXT, settings.optim, run, name="fine-tuning", **chosen)
    with written(out / cell_files.HISTORY) as beside:
        pd.DataFrame(history).to_csv(beside, index=False)
    model.save_pretrained(out / "model")
    save_tokenizer(tokenizer, out / "model")
    seen = [row for row in history if "val/t2v/R@1" in row]
    facts = {"validated": {row["step"]: row["val/t2v/R@1"] for row in seen}}
    kept = max(seen, key=lambda row: mean_recall(row, "val/"))["step"] if seen else steps
    return {"clips": len(batches.clip_ids), "steps": steps, **facts, "kept": kept, **clips.account()}
