"""Gap of hand-made features against hand-computed values; the whole stage against transformers' own features."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from tiny_clip_parts import SENTENCES
from transformers import AutoTokenizer, CLIPModel

from clipvip.config.stages import GapSettings
from clipvip.data import manifest
from clipvip.data.text_column import Column
from clipvip.evaluation.domain_gap_stage import ByClip, draw, make, read_texts, rows_by_clip
from clipvip.evaluation.language_gap import kernel_width, measures, mmd_p
from clipvip.results.repeated_draws import positive_interval
from clipvip.runtime.context import Run

FIGURES = ("red circle", "green ring", "blue square", "red ring", "blue ring", "green cross")
SPOKEN = [f"well so now you see {word} over there" for word in ("it", "us", "them", "me", "you", "her")]


def gap(ours: np.ndarray, theirs: np.ndarray, *, clusters: int, starts: int, seed: int) -> float:
    return measures(ours, theirs, clusters=clusters, starts=starts, seed=seed, width=1.0)["nmi"]


def blobs(places: list[float]) -> np.ndarray:
    """A row a place, far apart on one axis."""
    return np.array([[place, 1.0] for place in places])


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0, 0, 0, 0], [9, 9, 9, 9], 1.0),  # clusters are the sides
        ([0, 0, 9, 9], [0, 0, 9, 9], 0.0),  # clusters say nothing of the side
        # clusters {0,0,0,0,0,0} and {9,9} of sides of four: entropies H(3/4), 1 bit; information 1 - 3/4 H(1/3)
        ([0, 0, 0, 0], [0, 0, 9, 9], None),
    ],
)
def test_gap_is_the_information_by_hand(ours: list[float], theirs: list[float], expected: float | None) -> None:
    def entropy(p: float) -> float:
        return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

    if expected is None:
        expected = (1 - 0.75 * entropy(1 / 3)) / ((1 + entropy(0.75)) / 2)
    found = gap(blobs(ours), blobs(theirs), clusters=2, starts=3, seed=0)
    assert found == pytest.approx(expected, abs=1e-9)


def test_gap_is_near_zero_for_two_samples_of_one_source_and_one_for_two_sources() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(300, 16)), rng.normal(size=(300, 16))
    assert gap(one, two, clusters=2, starts=3, seed=0) < 0.02
    assert gap(one, two + 9, clusters=2, starts=3, seed=0) == pytest.approx(1)


def test_adjusted_information_by_chance_is_nothing() -> None:
    rng = np.random.default_rng(0)
    found = [measures(*rng.normal(size=(2, 30, 8)), clusters=2, starts=1, seed=k, width=1.0) for k in range(200)]
    assert np.mean([each["nmi"] for each in found]) > 0.01, "the floor that it removes"
    assert abs(np.mean([each["ami"] for each in found])) < 0.004
    apart = measures(np.zeros((9, 2)), np.ones((9, 2)), clusters=2, starts=1, seed=0, width=1.0)
    assert apart["ami"] == pytest.approx(1)


def test_mmd_is_the_sum_over_pairs() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(size=(5, 3)), rng.normal(size=(7, 3)) + 1

    def mean(one: np.ndarray, other: np.ndarray) -> float:
        pairs = [(a, b) for i, a in enumerate(one) for j, b in enumerate(other) if one is not other or i != j]
        return float(np.mean([np.exp(-((a - b) ** 2).sum() / (2 * 1.5**2)) for a, b in pairs]))

    expected = mean(ours, ours) + mean(theirs, theirs) - 2 * mean(ours, theirs)
    assert measures(ours, theirs, clusters=2, starts=1, seed=0, width=1.5)["mmd"] == pytest.approx(expected)
    distances = [np.linalg.norm(a - b) for i, a in enumerate(theirs) for b in theirs[:i]]
    assert kernel_width(theirs) == pytest.approx(np.median(distances))


def test_p_of_mmd_is_uniform_for_one_language_and_least_for_two() -> None:
    rng = np.random.default_rng(2)
    same = [mmd_p(*rng.normal(size=(2, 15, 3)), width=2.0, permutations=99, seed=k) for k in range(200)]
    for level in (0.1, 0.5):
        assert np.mean(np.array(same) <= level) == pytest.approx(level, abs=3 * (level * (1 - level) / 200) ** 0.5)
    ours, theirs = rng.normal(size=(15, 3)), rng.normal(size=(15, 3)) + 3
    assert mmd_p(ours, theirs, width=2.0, permutations=99, seed=0) == 0.01


def test_draws_are_seeded_and_share_no_clip() -> None:
    texts_of = [[0, 4], [1], [2, 3, 5], [6], [7, 8]]
    clips = ByClip(np.array([row for rows in texts_of for row in rows]), np.cumsum([0, *map(len, texts_of)]))
    drawn = draw(clips, 2, 200, "source:a")
    assert np.array_equal(drawn, draw(clips, 2, 200, "source:a"))
    assert not np.array_equal(drawn, draw(clips, 2, 200, "source:b"))
    owner = {row: clip for clip, rows in enumerate(texts_of) for row in rows}
    for pair in drawn:
        assert [len(half) for half in pair] == [2, 2]
        assert len({owner[row] for half in pair for row in half.tolist()}) == 4
    assert {row for pair in drawn for half in pair for row in half.tolist()} == set(range(9))


def test_rows_are_grouped_by_clip(tmp_path: Path) -> None:
    ids = ["b", "a", "b", "c", "a", "b"]
    pd.DataFrame({"clip_id": ids, "caption": "x"}).to_parquet(tmp_path / "captions.parquet")
    found = rows_by_clip(tmp_path)
    groups = [found.order[start:end].tolist() for start, end in zip(found.starts, found.starts[1:], strict=False)]
    assert groups == [[0, 2, 5], [1, 4], [3]]
    assert len(found) == 3


def test_a_column_reads_the_wanted_rows() -> None:
    said = [str(number) for number in range(50)]
    texts = Column(lambda: iter([pa.array(said[:13]), pa.array(said[13:13]), pa.array(said[13:])]))
    assert texts.take(np.array([40, 2, 12, 13, 2])) == ["40", "2", "12", "13", "2"]
    with pytest.raises(IndexError, match="rows 4 to 50 of 50 texts"):
        texts.take(np.array([50, 4]))


def test_intervals_of_a_small_set_cover_the_gap_of_its_language() -> None:
    """80 texts stand for a language: over many such sets nine intervals in ten hold the gap of new ones."""
    rng, rounds, m = np.random.default_rng(3), 30, 40
    source = rng.normal(0, 1, (4000, 3))

    def language(count: int) -> np.ndarray:
        return rng.normal(0, 1, (count, 3)) + np.array([1.2, 0, 0])

    def nmi(ours: np.ndarray, theirs: np.ndarray) -> float:
        return gap(ours, theirs, clusters=2, starts=1, seed=0)

    truth = np.mean([nmi(rng.permutation(source)[:m], language(m)) for _ in range(100)])
    held, each = 0, ByClip(np.arange(80), np.arange(81))
    for _ in range(rounds):
        own = language(80)
        drawn = draw(each, m, 8, str(rng.random()))
        ours = [rng.permutation(source)[: 2 * m].reshape(2, m, 3) for _ in drawn]
        values = np.array(
            [[[nmi(a, own[rows]) for rows in pair] for a in both] for both, pair in zip(ours, drawn, strict=True)]
        )
        found = positive_interval(values, (m / 4000, 0.5))
        held += found.low <= truth <= found.high
    assert held >= 0.87 * rounds, held


def corpus(folder: Path, texts: list[str], split: str, more: list[tuple[str, str]] = []) -> Path:  # noqa: B006
    """A manifest with a clip a text, in `split`, and of (text, split) in `more`."""
    folder.mkdir()
    pairs = [*((text, split) for text in texts), *more]
    rows = [
        {"clip_id": f"c{n}", "path": f"{n}.mp4", "start": None, "end": None, "text": t, "source": "caption", "split": s}
        for n, (t, s) in enumerate(pairs)
    ]
    manifest.write(pd.DataFrame(rows), folder, root=folder, format="msrvtt")
    return folder


@pytest.fixture
def inputs(tmp_path: Path, tiny_clip_folder: Path) -> dict[str, Path]:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip/model").symlink_to(tiny_clip_folder)
    (tmp_path / "captions").mkdir()
    captions = pd.DataFrame({"clip_id": list("abcdef"), "caption": [f"a {each}" for each in FIGURES]})
    captions.to_parquet(tmp_path / "captions/captions.parquet")
    return {
        "clip": tmp_path / "clip",
        "source:subtitles": corpus(tmp_path / "subtitles", SPOKEN, "train"),
        "source:captions": tmp_path / "captions",
        "downstream:msrvtt": corpus(
            tmp_path / "msrvtt",
            [*(s for s in SENTENCES if s != "water"), "two dogs", "a cat", "some rain"],
            "train",
            [("a secret of the test split", "test")],
        ),
    }


def test_stage_writes_equal_numbers_of_training_sentences(inputs: dict[str, Path], tmp_path: Path) -> None:
    settings = GapSettings(sentences=5, starts=2, repeats=3)
    middle = json.dumps({"colour": "red", "shape": "ring", "background": "grass", "visible": True})
    truth = pd.DataFrame({"clip_id": [*list("abcdef"), *(f"c{n}" for n in range(6))], "middle": middle})
    truth.to_parquet(tmp_path / "subtitles/truth.parquet")  # its captions are of these clips too
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        facts = make(settings, inputs, tmp_path / name, Run(work=tmp_path))
    for file in ("nmi.csv", "points.csv", "statistics.csv", "overlap.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    json.dumps(facts)
    nmi = pd.read_csv(tmp_path / "one/nmi.csv")
    assert list(nmi.columns) == [
        *("source", "downstream", "mmd_p", "repeat", "source_draw", "downstream_draw"),
        *("nmi", "ami", "mmd", "sentences", "share_source", "share_downstream"),
    ]
    assert list(nmi["source"]) == ["subtitles"] * 12 + ["captions"] * 12
    assert nmi["mmd_p"].between(0.001, 1).all()
    assert set(nmi["sentences"]) == {3}
    assert nmi["nmi"].between(0, 1).all()
    assert facts["nmi"]["captions/msrvtt"] == pytest.approx(nmi["nmi"][12:].mean(), abs=1e-5)
    points = pd.read_csv(tmp_path / "one/points.csv")
    assert list(points.columns) == ["source", "kind", "x", "y", "text"]
    assert "a secret of the test split" not in set(points["text"])
    statistics = pd.read_csv(tmp_path / "one/statistics.csv").set_index("source")
    assert statistics.loc["captions", "mean_words"] == 3
    assert set(statistics["sentences"]) == {3}
    assert statistics.loc["msrvtt", "kind"] == "downstream"
    assert statistics["naming"].isna().tolist() == [False, False, True]
    own = [FIGURES[row] for row in draw(ByClip(np.arange(6), np.arange(7)), 3, 3, "source:captions")[0][0]]
    assert statistics.loc["captions", "naming"] == pytest.approx(np.mean(["red" in t or "ring" in t for t in own]))
    assert statistics.loc["subtitles", "naming"] == 0
    overlaps = pd.read_csv(tmp_path / "one/overlap.csv")
    assert list(overlaps["source"] + "/" + overlaps["downstream"]) == ["subtitles/msrvtt", "captions/msrvtt"]
    assert all(overlaps[name].between(0, 1).all() for name in ("covered", "jaccard"))


@torch.inference_mode()
def test_points_are_the_principal_axes_of_transformers_features(inputs: dict[str, Path], tmp_path: Path) -> None:
    make(GapSettings(sentences=5, starts=1, repeats=1), inputs, tmp_path, Run(work=tmp_path))
    points = pd.read_csv(tmp_path / "points.csv")
    clip = CLIPModel.from_pretrained(inputs["clip"] / "model")
    tokens = AutoTokenizer.from_pretrained(inputs["clip"] / "model")(
        list(points["text"]), padding=True, truncation=True, max_length=77, return_tensors="pt"
    )
    features = torch.nn.functional.normalize(clip.get_text_features(**tokens).pooler_output, dim=1)
    centred = features - features.mean(0)
    variances = torch.linalg.eigvalsh(centred.T @ centred).flip(0)[:2]
    assert (points[["x", "y"]] ** 2).sum().to_numpy() == pytest.approx(variances.numpy(), rel=1e-4)
    axes = torch.linalg.lstsq(centred, torch.tensor(points[["x", "y"]].to_numpy(), dtype=torch.float32)).solution
    assert torch.allclose(centred @ axes, torch.tensor(points[["x", "y"]].to_numpy(), dtype=torch.float32), atol=1e-4)


def test_a_set_without_training_texts_is_refused(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "lsmdc", ["one", "two", "three"], "test")
    with pytest.raises(ValueError, match=r"downstream:lsmdc: .*lsmdc has 0 texts to train on"):
        read_texts(folder, "downstream:lsmdc")


def test_a_gap_of_one_side_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    del inputs["downstream:msrvtt"]
    with pytest.raises(ValueError, match="one set of `downstream`"):
        make(GapSettings(), inputs, tmp_path, Run(work=tmp_path))
