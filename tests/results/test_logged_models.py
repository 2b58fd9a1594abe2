"""Fine-tuned models in a real MLflow store: logged once, beside the run that made them, and loaded back."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.tracking import MlflowClient
from results_tree import Tree, domain_gap
from transformers import AutoTokenizer
from video_files import ramp, write_video

from clipvip.config.learning import ModelSettings
from clipvip.data.media.video import read_frames, resize, sample_indices
from clipvip.model.clip_vip import ClipVip, copy_tokenizer
from clipvip.results.finished import read_plan
from clipvip.results.tracking import mirror, moved


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, tiny_clip_folder: Path) -> Iterator[Tree]:
    """A tree whose fine-tunings have models, with a store that holds its one study."""
    before = mlflow.get_tracking_uri()
    tree = Tree(tmp_path_factory.mktemp("models"))
    mirror.create(uri(tree), tree.results / "mlartifacts")
    folder = domain_gap(tree)
    settings = ModelSettings(num_frames=4, num_proxies=2, temporal_std=0.1)
    for number, cell in enumerate(sorted((tree.results / "cells/finetune").iterdir())):
        ClipVip.from_pretrained(tiny_clip_folder, settings, seed=number).save_pretrained(cell / "model")
        copy_tokenizer(str(tiny_clip_folder), cell / "model")
    assert mirror.mirror(read_plan(folder), uri(tree), folder)["models"] == 6
    yield tree
    mlflow.set_tracking_uri(before)


def uri(tree: Tree) -> str:
    return f"sqlite:///{tree.results}/mlflow.db"


def logged_models(tree: Tree) -> dict[str, Any]:
    """Model URI -> model."""
    client = MlflowClient(uri(tree))
    experiment = client.get_experiment_by_name("mini").experiment_id
    found = client.search_logged_models([experiment], max_results=1000)
    return {f"models:/{each.model_id}": each for each in found}


@pytest.mark.filterwarnings("ignore::UserWarning")  # mlflow's own, about type hints
def test_a_logged_model_encodes_texts_and_videos(tree: Tree, tmp_path: Path) -> None:
    """Of each fine-tuning of every study; it gives what the cell's own model gives."""
    mlflow.set_tracking_uri(uri(tree))
    runs = mlflow.search_runs(experiment_names=["mini"], output_format="pandas", max_results=5000)
    logged = runs[runs["tags.model"].notna()]
    assert set(logged["tags.key"]) == {path.name for path in (tree.results / "cells/finetune").iterdir()}
    one = logged[logged["tags.set"] == "msrvtt"].iloc[0]
    models = logged_models(tree)
    assert set(models) == set(logged["tags.model"])
    assert len({each.name for each in models.values()}) == len(models)
    model = models[one["tags.model"]]
    assert (model.source_run_id, str(model.status), model.tags["key"]) == (one["run_id"], "READY", one["tags.key"])
    tested = runs[(runs["tags.input.model"] == one["tags.key"]) & (runs["tags.stage"] == "evaluate")].iloc[0]
    assert {each.key: each.value for each in model.metrics}["msrvtt/t2v/R_at_5"] == tested["metrics.msrvtt/t2v/R_at_5"]
    encoder = mlflow.pyfunc.load_model(one["tags.model"])
    files = [path.name for path in Path(mlflow.artifacts.download_artifacts(one["tags.model"])).rglob("*")]
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".bin", ".pt"))]

    folder = tree.results / "cells/finetune" / one["tags.key"] / "model"
    weights = sorted(Path(mlflow.artifacts.download_artifacts(one["tags.model"])).rglob("*.safetensors"))
    assert [path.stat().st_ino for path in weights] == [(folder / path.name).stat().st_ino for path in weights], "twice"
    model = ClipVip.from_pretrained(folder).eval()
    texts = ["a red circle", "water"]
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model.encode_text(tokens["input_ids"], tokens["attention_mask"]).numpy()
    np.testing.assert_allclose(encoder.predict(pd.DataFrame({"text": texts})), expected, atol=1e-6)

    side = model.config.vision_config.image_size
    paths = [str(write_video(tmp_path / f"{n}.mp4", ramp(6 + n))) for n in range(2)]
    chosen = [sample_indices(6 + n, 4, rng=None) for n in range(2)]
    pixels = [resize(read_frames(path, own), side, "squash") for path, own in zip(paths, chosen, strict=True)]
    with torch.inference_mode():
        expected = model.encode_video(torch.from_numpy(np.stack(pixels))).numpy()
    np.testing.assert_allclose(encoder.predict(pd.DataFrame({"video": paths})), expected, atol=1e-6)
    with pytest.raises(ValueError, match="give either 'text' or 'video'"):
        encoder.predict(pd.DataFrame({"video": paths, "text": texts}))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_remade_fine_tuning_replaces_its_model(tree: Tree) -> None:
    folder = tree.results / "mini/studies/domain_gap"
    before = logged_models(tree)
    assert mirror.mirror(read_plan(folder), uri(tree), folder)["models"] == 0
    key = read_plan(folder)["rows"][2]["cells"]["finetune/msrvtt"]
    path = tree.results / "cells/finetune" / key / "receipt.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"started": "2026-02-02T03:04:05+00:00"}))
    found = mirror.mirror(read_plan(folder), uri(tree), folder)
    assert (found["made"], found["models"]) == (1, 1)
    after = logged_models(tree)
    assert len(after) == len(before)
    assert len(set(after) - set(before)) == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["plain", "with space & 'quote' {x}"])
def test_a_moved_folder_loads_its_models_and_logs_further_ones(tree: Tree, tmp_path: Path, name: str) -> None:
    """A copy whose original is gone: what is loaded lies in the copy, tracking finds all, a remade model comes anew."""
    original = shutil.copytree(tree.results, tmp_path / "original" / "results")
    moved.settle(original / "mlflow.db")
    results = tmp_path / name / "results"
    shutil.copytree(original, results)
    os.rename(original.parent, tmp_path / "away")
    own, folder = Tree(tmp_path / name), results / "mini/studies/domain_gap"
    assert mirror.mirror(read_plan(folder), uri(own), folder)["models"] == 0
    mlflow.set_tracking_uri(uri(own))
    there = logged_models(own)
    assert len(there) == 6
    for model, each in there.items():
        found = Path(mlflow.artifacts.download_artifacts(model))
        assert found.is_relative_to(results), each.artifact_location
        assert mlflow.pyfunc.load_model(model).predict(pd.DataFrame({"text": ["water"]})).shape == (1, 16)
    key = read_plan(folder)["rows"][2]["cells"]["finetune/msrvtt"]
    path = results / "cells/finetune" / key / "receipt.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"started": "2026-03-03T03:04:05+00:00"}))
    assert mirror.mirror(read_plan(folder), uri(own), folder)["models"] == 1
    new = set(logged_models(own)) - set(there)
    assert all(Path(mlflow.artifacts.download_artifacts(each)).is_relative_to(results) for each in new)
    assert str(tmp_path / "away") not in str([each.artifact_location for each in logged_models(own).values()])
    mlflow.set_tracking_uri(uri(tree))
