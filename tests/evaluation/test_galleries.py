"""Several galleries in one evaluation, each by itself, and further right answers against a slow reference."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.config.learning import ModelSettings
from clipvip.config.stages import EvaluateCell
from clipvip.corpora import right_answers
from clipvip.data.clips import open_clips
from clipvip.evaluation import evaluate_stage, rankings
from clipvip.evaluation.embedding import embed_clips, embed_texts
from clipvip.evaluation.validation import Split, open_split
from clipvip.model.clip_vip import ClipVip
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import write_spec
from clipvip.runtime.context import Run

FRAMES = FramesSettings(size=24)
MODEL = ModelSettings(num_frames=4, temporal_std=0.3)
SETTINGS = EvaluateCell(model=MODEL, frames=FRAMES, num_frames=4, max_tokens=77)


@pytest.fixture(scope="module")
def inputs(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The generated MSR-VTT with a second and a third gallery, and a model."""
    root, found = tmp_path_factory.mktemp("later"), dict(corpus_inputs)
    world = WorldSettings(part="msrvtt", clips={"train": 24, "test": 12}, galleries=3)
    whole = CorpusSettings(format="msrvtt", world=world, holdout=8)
    for number in whole.galleries[1:]:
        settings = whole.of_gallery(number)
        assert settings.world is not None
        made = Cell("world", settings.world)
        corpus = Cell("corpus", settings, {"world": made})
        cells = (made, corpus, Cell("frames", FRAMES, {"corpus": corpus}))
        found |= {f"gallery{number}:{cell.stage}": run_spec(write_spec(root, cell)) for cell in cells}
    found["model"] = tmp_path_factory.mktemp("clip")
    (found["model"] / "model").symlink_to(tiny_clip_folder)
    return found


def _evaluate(
    inputs: dict[str, Path], out: Path, settings: EvaluateCell = SETTINGS
) -> tuple[pd.DataFrame, dict[str, float]]:
    out.mkdir()
    facts = evaluate_stage.make(settings, inputs, out, Run(work=out))
    metrics = json.loads((out / "metrics.json").read_text())
    assert facts["metrics"] == metrics
    return pd.read_parquet(out / "ranks.parquet"), metrics


@pytest.fixture(scope="module")
def made(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, float]]:
    return _evaluate(inputs, tmp_path_factory.mktemp("all") / "out")


def test_each_gallery_is_ranked_by_itself(
    inputs: dict[str, Path], made: tuple[pd.DataFrame, dict[str, float]], tiny_clip_folder: Path
) -> None:
    """Against the ranks of its own clips and texts alone, dual softmax and hubs (of the one training split) too."""
    rows, _ = made
    model = ClipVip.from_pretrained(tiny_clip_folder, MODEL, seed=0).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)

    def embedded(prefix: str, name: str) -> tuple[torch.Tensor, torch.Tensor, Split]:
        clips = open_clips(inputs, FRAMES, prefix)
        split = open_split(inputs[f"{prefix}corpus"], name)
        return embed_clips(model, clips, split.clip_ids, 4), embed_texts(model, tokenizer, split.texts, 77), split

    *bank, _ = embedded("", "train")
    for number, prefix in ((1, ""), (2, "gallery2:"), (3, "gallery3:")):
        test = embedded(prefix, "test")
        expected = rankings.both_ways(*test) | rankings.transductive(*test) | rankings.against_hubs(*test, tuple(bank))
        own = rows[rows["gallery"] == number]
        assert set(own["clip_id"]) == set(test[2].clip_ids)
        assert len(test[2].clip_ids) == 12
        for direction, ranks in expected.items():
            found = own[own["direction"] == direction].set_index("clip_id").loc[test[2].clip_ids]
            assert found["rank"].tolist() == ranks.rank.tolist()


def test_metrics_are_over_the_queries_of_all(
    inputs: dict[str, Path], made: tuple[pd.DataFrame, dict[str, float]]
) -> None:
    rows, metrics = made
    own = rows[rows["direction"] == "t2v"]
    assert len(own) == 36
    assert metrics["t2v/MnR"] == pytest.approx(own["rank"].mean())
    assert metrics["order"] == pytest.approx(100 * (2 - rows.loc[rows["direction"] == "order", "rank"]).mean())
    truths = [pd.read_parquet(inputs[f"{prefix}world"] / "truth.parquet") for prefix in ("", "gallery2:", "gallery3:")]
    fitting = pd.concat([truth[truth["split"] == "test"] for truth in truths])["consistent"].astype(float)
    assert metrics["ceiling/t2v/R@1"] == pytest.approx(100 * (1 / fitting).mean())
    guessed = [np.log2(np.arange(1, int(count) + 1)).mean() for count in fitting]
    assert metrics["ceiling/t2v/log2R"] == pytest.approx(np.mean(guessed))


def test_queries_and_clusters_are_unique_over_galleries(made: tuple[pd.DataFrame, dict[str, float]]) -> None:
    rows, _ = made
    assert not rows.duplicated(["direction", "query", "clip_id"]).any()
    assert len(rows[["cluster", "gallery"]].drop_duplicates()) == rows["cluster"].nunique()
    assert rows["cluster"].nunique() < rows["clip_id"].nunique()  # twins share one


def test_galleries_that_share_a_clip_are_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    twice = {role: path for role, path in inputs.items() if not role.startswith("gallery")}
    twice |= {f"gallery2:{role}": inputs[role] for role in ("corpus", "frames", "world")}
    with pytest.raises(ValueError, match=r"galleries 1 and 2 share '"):
        _evaluate(twice, tmp_path / "out")


def test_further_right_answers_equal_a_loop(inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path) -> None:
    corpus = {role: inputs[role] for role in ("corpus", "frames")}
    clips = open_clips(corpus, FRAMES)
    split = open_split(inputs["corpus"], "test")
    ids = split.clip_ids
    asked = [(0, 3), (0, 5), (1, 0), (7, 2), (7, 0)]
    path = tmp_path / "more.csv"
    path.write_text("query,clip_id\n" + "".join(f"{ids[q]}#0,{ids[c]}\n" for q, c in asked))
    given = right_answers.keyed(CorpusSettings(format="msrvtt", root="x", right_answers=str(path)))
    rows, metrics = _evaluate(inputs, tmp_path / "out", SETTINGS.model_copy(update=given))
    model = ClipVip.from_pretrained(tiny_clip_folder, MODEL, seed=0).eval()
    videos = embed_clips(model, clips, ids, 4).double()
    texts = embed_texts(model, AutoTokenizer.from_pretrained(tiny_clip_folder), split.texts, 77).double()
    right = {(i, i) for i in range(12)} | set(asked)
    rows = rows[rows["gallery"] == 1]
    for way, queries, items, pairs in (
        ("t2v", texts, videos, right),
        ("v2t", videos, texts, {(c, q) for q, c in right}),
    ):
        expected_any, expected_all = [], {}
        for query in range(12):
            scores = [float(queries[query] @ item) for item in items]
            own = [item for item in range(12) if (query, item) in pairs]
            wrong = [item for item in range(12) if item not in own]
            places = {i: 1 + sum(scores[j] > scores[i] + 1e-6 for j in wrong) for i in own}
            expected_any.append(min(places.values()))
            expected_all |= {(query, i): place for i, place in places.items()}
        found = rows[rows["direction"] == f"{way}_any"].set_index("clip_id").loc[ids]
        assert found["best"].tolist() == expected_any
        found = rows[rows["direction"] == f"{way}_all"]
        text = [ids.index(name.split("#")[0]) for name in found["query"]]
        clip = [ids.index(name) for name in found["clip_id"]]
        keys = zip(text, clip, strict=True) if way == "t2v" else zip(clip, text, strict=True)
        assert dict(zip(keys, found["best"], strict=True)) == expected_all
    assert metrics["t2v_all/R@1"] != metrics["t2v/R@1"]


def test_all_right_answers_can_be_first_and_ties_are_shared() -> None:
    split = Split(["a", "b", "c"], ["x", "y", "z"], torch.arange(3))
    pairs = rankings.right_pairs(split, [{1}, set(), set()])
    assert pairs == ([(0, 0), (0, 1), (1, 1), (2, 2)], [(0, 0), (1, 0), (1, 1), (2, 2)])
    videos = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, 0.6]])
    found = rankings.all_right(videos, torch.eye(2)[[0, 1, 0]], pairs)
    assert found["t2v_all"].best.tolist() == [1, 1, 1, 2]
    assert found["t2v_all"].worst.tolist() == [1, 2, 2, 3]
    assert rankings.any_right(videos, torch.eye(2)[[0, 1, 0]], pairs)["t2v_any"].rank.tolist() == [1, 1.5, 2.5]
