"""The captioner: fetched, trained here, or captions made elsewhere (paper section 3.3)."""

from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.data import FramesSettings
from clipvip.config.learning import CaptionerSettings
from clipvip.corpora.captions import imported, quality
from clipvip.corpora.captions.captioner import Captioner
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import written


def make(settings: CaptionerSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """A captioner under out/model: fetched from `source`, or trained on inputs["corpus"] (then history.csv too).

    Captions that are `imported` lie in out/imported.parquet in its place.
    """
    if settings.imported is not None:
        return imported.make(settings.imported, out)
    if settings.source is not None:
        captioner = Captioner.load(settings.source)
        captioner.save(out / "model")
        return {"source": settings.source, "parameters": captioner.model.num_parameters()}
    from clipvip.training import tiny_captioner

    processor, model, history = tiny_captioner.train(settings, inputs, run)
    with written(out / cell_files.HISTORY) as beside:
        pd.DataFrame(history).to_csv(beside, index=False)
    Captioner(processor, model).save(out / "model")
    captioner = Captioner.load(out / "model", run.device)  # what is judged is what was written
    facts = {"steps": history[-1]["step"], "parameters": model.num_parameters(), "vocabulary": len(processor.tokenizer)}
    frames = settings.frames or FramesSettings(size=model.config.vision_config.image_size)
    return {**facts, "quality": quality.agreement(captioner.write, inputs, frames)}
