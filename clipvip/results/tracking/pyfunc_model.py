"""A trained model as an MLflow pyfunc: this code and a folder of weights, so that nothing is pickled.

A data frame with a column `text`, or a column `video` of paths, goes in; a row of the embedding, of length one, comes
out for each of its rows.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import ColSpec, Schema, TensorSpec

from clipvip.data.media.sampled_frames import read_frames
from clipvip.data.media.video import resize
from clipvip.evaluation.embedding import embed_texts
from clipvip.model.clip_vip import ClipVip

BATCH = 16  # videos at a time
NEEDS = ("torch", "transformers", "av", "numpy", "pandas", "mlflow")
COLUMNS = ("text", "video")


class Encoder(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow has no types
    """Loads the folder logged with it, and encodes."""

    def load_context(self, context: Any) -> None:
        from transformers import AutoTokenizer

        folder = context.artifacts["model"]
        self.model = ClipVip.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self.settings = context.model_config

    @torch.inference_mode()
    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Float[rows, dim]. Raises ValueError for other columns, VideoError for a file that is no readable video."""
        given = [name for name in COLUMNS if name in model_input]
        if len(given) != 1:
            raise ValueError(f"columns {list(model_input.columns)}: give either 'text' or 'video' (paths)")
        values = [str(value) for value in model_input[given[0]]]
        if given == ["text"]:
            return embed_texts(self.model, self.tokenizer, values, self.settings["max_tokens"]).numpy()
        parts = [self._videos(values[start : start + BATCH]) for start in range(0, len(values), BATCH)]
        return np.concatenate(parts)

    def _videos(self, paths: list[str]) -> Any:
        side = self.model.config.vision_config.image_size
        how = self.settings["resize"], self.settings["antialias"]
        frames = (read_frames(path, self.settings["num_frames"]) for path in paths)
        pixels = np.stack([resize(each, side, *how) for each in frames])
        return self.model.encode_video(torch.from_numpy(pixels)).float().numpy()


def save(folder: Path, settings: dict[str, Any], out: Path, model: str | None = None, run: str | None = None) -> None:
    """The model in `folder` as an MLflow model in `out`; `settings`: num_frames, max_tokens, resize, antialias; `model`
    and `run`: the ids of the logged model that it is, and of the run that made it."""
    columns = [ColSpec("string", name, required=False) for name in COLUMNS]
    signature = ModelSignature(Schema(columns), Schema([TensorSpec(np.dtype("float32"), (-1, -1))]))
    with tempfile.TemporaryDirectory() as place:
        code = Path(place) / "encoder.py"
        code.write_text(CODE)
        mlflow.pyfunc.save_model(
            path=str(out),
            python_model=str(code),
            artifacts={"model": str(folder.resolve())},
            model_config=settings,
            mlflow_model=Model(model_id=model, run_id=run),
            signature=signature,
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDS],
        )


# what is logged with the weights: whoever loads it has this package
CODE = '''"""Encodes texts and videos; needs the package clipvip."""

import mlflow

from clipvip.pyfunc_model import Encoder

mlflow.models.set_model(Encoder())
'''
