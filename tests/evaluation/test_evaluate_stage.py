"""Evaluation: figures against a slow loop, the order metric and the ceiling by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings
from clipvip.config.stages import EvaluateCell
from clipvip.data import manifest
from clipvip.data.clips import open_clips
from clipvip.evaluation import evaluate_stage
from clipvip.evaluation.embedding import embed_clips, embed_texts
from clipvip.evaluation.rankings import both_ways, figures
from clipvip.evaluation.validation import Split, open_split
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime.context import Run

FRAMES = FramesSettings(size=24)
MODEL = ModelSettings(num_frames=4, temporal_std=0.3)


@pytest.fixture(scope="module")
def made(corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cell = tmp_path_factory.mktemp("clip")
    (cell / "model").symlink_to(tiny_clip_folder)
    out = tmp_path_factory.mktemp("evaluate")
    settings = EvaluateCell(model=MODEL, frames=FRAMES, num_frames=4, max_tokens=77)
    evaluate_stage.make(settings, {"model": cell, **corpus_inputs}, out, Run(work=out))
    return out


def test_recalls_are_those_of_a_loop_over_all_pairs(
    made: Path, corpus_inputs: dict[str, Path], tiny_clip_folder: Path
) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder, MODEL, seed=0).eval()
    clips = open_clips(corpus_inputs, FRAMES)
    split = open_split(corpus_inputs["corpus"], "test")
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)
    videos = torch.cat([embed_clips(model, clips, [i], 4) for i in split.clip_ids])
    texts = torch.cat([embed_texts(model, tokenizer, [t], 77) for t in split.texts])
    ranks = []
    for query, owner in enumerate(split.owner.tolist()):
        scores = [float(texts[query] @ video) for video in videos]
        ranks.append(1 + sum(score > scores[owner] + 1e-6 for score in scores))
    metrics = json.loads((made / "metrics.json").read_text())
    for k in (1, 5, 10):
        assert metrics[f"t2v/R@{k}"] == pytest.approx(100 * np.mean([rank <= k for rank in ranks]))
    assert metrics["t2v/MnR"] == pytest.approx(np.mean(ranks))


def test_ranks_are_kept_with_their_clusters(made: Path, corpus_inputs: dict[str, Path]) -> None:
    ranks = pd.read_parquet(made / "ranks.parquet")
    assert set(ranks["direction"]) == {"t2v", "v2t", "t2v_dsl", "v2t_dsl", "t2v_qb", "v2t_qb", "order"}
    truth = pd.read_parquet(corpus_inputs["world"] / "truth.parquet").set_index("clip_id")
    own = ranks[ranks["direction"] == "t2v"]
    assert list(own["cluster"]) == list(truth.loc[own["clip_id"], "cluster"])
    metrics = json.loads((made / "metrics.json").read_text())
    order = ranks.loc[ranks["direction"] == "order", "rank"]
    assert set(order) <= {1.0, 1.5, 2.0}
    assert metrics["order"] == pytest.approx(100 * (2 - order).mean())


def test_order_is_that_of_a_loop_over_texts_run_backwards(
    made: Path, corpus_inputs: dict[str, Path], tiny_clip_folder: Path
) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder, MODEL, seed=0).eval()
    clips, split = open_clips(corpus_inputs, FRAMES), open_split(corpus_inputs["corpus"], "test")
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)
    truth = pd.read_parquet(corpus_inputs["world"] / "truth.parquet").set_index("clip_id")
    expected = {}
    for clip_id, text in zip([split.clip_ids[i] for i in split.owner.tolist()], split.texts, strict=True):
        if isinstance(turned := truth.loc[clip_id, "backwards"], str):
            video = embed_clips(model, clips, [clip_id], 4)[0]
            own, other = (float(embed_texts(model, tokenizer, [each], 77)[0] @ video) for each in (text, turned))
            expected[clip_id] = 1.5 if abs(own - other) < 1e-6 else 1.0 if own > other else 2.0
    ranks = pd.read_parquet(made / "ranks.parquet")
    order = ranks[ranks["direction"] == "order"]
    assert dict(zip(order["clip_id"], order["rank"], strict=True)) == expected


def test_copies_of_a_text_are_equal_to_the_last_bit(tiny_clip_folder: Path) -> None:
    model = ClipVip.from_pretrained(tiny_clip_folder, MODEL, seed=0).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)
    texts = ["a red ring grows", "a blue square on water", "a red ring grows", "a ring", "a blue square on water"]
    found = embed_texts(model, tokenizer, texts, 77, batch_size=1)
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[4])
    for row, text in zip(found, texts, strict=True):
        torch.testing.assert_close(row, embed_texts(model, tokenizer, [text], 77)[0])


def test_the_ceiling_guesses_among_clips_that_fit(made: Path, corpus_inputs: dict[str, Path]) -> None:
    truth = pd.read_parquet(corpus_inputs["world"] / "truth.parquet")
    fitting = truth.loc[truth["split"] == "test", "consistent"]
    metrics = json.loads((made / "metrics.json").read_text())
    assert metrics["ceiling/t2v/R@1"] == pytest.approx(100 * (1 / fitting).mean())
    assert metrics["ceiling/t2v/R@5"] == pytest.approx(100 * np.minimum(5 / fitting, 1).mean())
    assert 0 < metrics["ceiling/v2t/R@1"] <= metrics["ceiling/v2t/R@5"] <= 100


def test_several_texts_a_clip_the_best_one_counts() -> None:
    videos = torch.eye(3)
    texts = torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0], [0, 0.9, 0.1]])
    split = Split(["a", "b", "c"], list("wxyz"), torch.tensor([0, 0, 1, 2]))
    assert [rows.tolist() for rows in split.owned()] == [[0, 1], [2], [3]]
    ranks = both_ways(videos, texts, split)
    assert ranks["t2v"].rank.tolist() == [1.0, 2.5, 1.0, 2.0]  # x: a and b tie behind c
    assert ranks["v2t"].rank.tolist() == [1.0, 1.0, 2.0]
    assert figures(ranks)["v2t/R@1"] == pytest.approx(200 / 3)


def test_hubs_are_held_down_in_either_direction_by_its_own_bank(
    made: Path, corpus_inputs: dict[str, Path], tiny_clip_folder: Path
) -> None:
    """Against a loop over single scores, with the bank from the training split alone."""
    model, clips = ClipVip.from_pretrained(tiny_clip_folder, MODEL, seed=0).eval(), open_clips(corpus_inputs, FRAMES)
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)
    found = {}
    for name in ("train", "test"):
        split = open_split(corpus_inputs["corpus"], name)
        texts = embed_texts(model, tokenizer, split.texts, 77)
        found[name] = (embed_clips(model, clips, split.clip_ids, 4).double(), texts.double(), split.owner.tolist())
    videos, texts, owner = found["test"]
    metrics = json.loads((made / "metrics.json").read_text())
    for direction, queries, items, bank in (
        ("t2v_qb", texts, videos, found["train"][1]),
        ("v2t_qb", videos, texts, found["train"][0]),
    ):
        weight = [sum(math.exp(20 * float(each @ item)) for each in bank) for item in items]
        hubs = {int((items @ each).argmax()) for each in bank}
        ranks = []
        for number, query in enumerate(queries):
            scores = [float(query @ item) for item in items]
            held = int(np.argmax(scores)) in hubs
            scores = [math.exp(20 * s) / (w if held else 1) for s, w in zip(scores, weight, strict=True)]
            right = [owner[number]] if direction == "t2v_qb" else [i for i, clip in enumerate(owner) if clip == number]
            best = max(scores[i] for i in right)
            ranks.append(1 + sum(score > best * (1 + 1e-6) for score in scores))
        assert metrics[f"{direction}/MnR"] == pytest.approx(np.mean(ranks), abs=0.05)


def test_a_collapsed_model_scores_chance() -> None:
    same = torch.ones(10, 4) / 2
    split = Split([str(i) for i in range(10)], [str(i) for i in range(10)], torch.arange(10))
    found = figures(both_ways(same, same, split))
    assert found["t2v/R@1"] == pytest.approx(10.0)
    assert found["v2t/R@5"] == pytest.approx(50.0)
    assert found["t2v/MdR"] == pytest.approx(5.5)


def test_an_empty_split_is_named(corpus_inputs: dict[str, Path], tmp_path: Path) -> None:
    rows = manifest.read(corpus_inputs["corpus"])
    manifest.write(
        rows[rows["split"] != "val"], tmp_path, root=manifest.media_root(corpus_inputs["corpus"]), format="msrvtt"
    )
    with pytest.raises(ValueError, match=r"manifest\.parquet: no clip in split 'val'"):
        open_split(tmp_path, "val")
