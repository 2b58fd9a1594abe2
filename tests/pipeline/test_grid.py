"""One row's cells, input by input, against lists written out by hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvip.config.base import merge
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid, load

ROOT = Path(__file__).parents[2]
SETS = ("msrvtt",)


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def grid(**change: Any) -> Grid:
    """Of the smoke experiment without studies."""
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    return Grid(merge(data, {"studies": "/dev/null", **change}))


def row(change: dict[str, Any], seed: int = 0, **experiment: Any) -> dict[str, Cell]:
    return grid(**experiment).variant(change, SETS, seed, "here")


def test_nothing_but_the_clip_has_no_seed_before_fine_tuning() -> None:
    """Mean pooling without a temporal embedding draws no parameter, so zero-shot cells are shared by all seeds."""
    mean = {"model": {"pooling": "mean"}, "pretrain": None}
    first, second = row(mean, seed=1), row(mean, seed=2)
    assert first["zero_shot/msrvtt"].key == second["zero_shot/msrvtt"].key
    assert first["zero_shot/msrvtt"].settings.seed == first["fine_tuned/msrvtt"].settings.seed == 0
    assert first["finetune/msrvtt"].settings.seed == 1
    assert set(first) == {"clip", "zero_shot/msrvtt", "finetune/msrvtt", "fine_tuned/msrvtt"}


@pytest.mark.parametrize("model", [{"pooling": "proxies"}, {"pooling": "full"}, {"pooling": "mean", "temporal": True}])
def test_parameters_that_are_drawn_give_zero_shot_cells_a_seed(model: dict[str, Any]) -> None:
    cells = row({"model": model, "pretrain": None}, seed=3)
    assert cells["zero_shot/msrvtt"].settings.seed == 3
    assert cells["zero_shot/msrvtt"].settings.model is not None
    assert cells["fine_tuned/msrvtt"].settings.model is None
    assert cells["fine_tuned/msrvtt"].settings.seed == 0


def test_after_post_pretraining_nothing_is_drawn() -> None:
    cells = row({"pretrain": {"objective": "d"}}, seed=3)
    assert cells["pretrain"].settings.seed == 3
    for role in ("zero_shot/msrvtt", "finetune/msrvtt"):
        assert cells[role].inputs["model"] is cells["pretrain"]
        assert cells[role].settings.model is None
    assert cells["zero_shot/msrvtt"].settings.seed == 0


def test_without_fine_tuning_there_is_only_zero_shot() -> None:
    assert set(row({"pretrain": None, "finetune": None})) == {"clip", "zero_shot/msrvtt"}


@pytest.mark.parametrize(("every", "more"), [(None, set()), (5, {"validation:corpus", "validation:frames"})])
def test_post_pretraining_reads_what_it_needs(every: int | None, more: set[str]) -> None:
    spoken = row({"pretrain": {"objective": "subtitle", "validate_every": every}})["pretrain"]
    assert set(spoken.inputs) == {"clip", "corpus", "frames"} | more
    captioned = row({"pretrain": {"objective": "d", "validate_every": every}})["pretrain"]
    assert set(captioned.inputs) == {"clip", "corpus", "frames", "captions"} | more


def test_only_who_checks_against_the_truth_is_given_the_world() -> None:
    cells = row({"pretrain": {"objective": "d"}})
    test = {"corpus", "frames", "world"}
    later = {f"gallery2:{role}" for role in test}
    assert set(cells["zero_shot/msrvtt"].inputs) == {"model"} | test | later
    assert set(cells["finetune/msrvtt"].inputs) == {"model", "corpus", "frames"}
    assert set(cells["pretrain"].inputs["captions"].inputs) == {"captioner", "corpus", "frames", "world"}


def test_more_galleries_make_no_training_anew() -> None:
    """Only evaluations have other keys, and the galleries that were there keep theirs."""

    def cells(galleries: int) -> dict[str, Cell]:
        world = {"msrvtt": {"world": {"galleries": galleries}}}
        return row({"pretrain": {"objective": "d"}}, corpora=world)

    one, two, three = map(cells, (1, 2, 3))
    changed = {role for role in one if one[role].key != three[role].key}
    assert changed == {"zero_shot/msrvtt", "fine_tuned/msrvtt"}
    inputs = two["zero_shot/msrvtt"].inputs
    assert len(one["zero_shot/msrvtt"].inputs) == 4
    assert all(three["zero_shot/msrvtt"].inputs[role].key == cell.key for role, cell in inputs.items())


def test_test_clips_of_every_gallery_are_kept_out_of_real_corpora() -> None:
    own = grid(corpora={"narrated": {"root": "x", "world": None}}, downstream=["msrvtt", "didemo"])
    tests = {"test:msrvtt", "test:msrvtt-2", "test:didemo", "test:didemo-2"}
    assert set(own.corpus("narrated").inputs) == tests


def test_further_right_answers_are_in_the_key_of_evaluations_alone(tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    before = row({"pretrain": None})
    after = []
    for content in ("query,clip_id\n", "query,clip_id\nvideo7020,video7021\n"):
        path.write_text(content)
        after.append(row({"pretrain": None}, corpora={"msrvtt": {"right_answers": str(path)}}))
    evaluations = {"zero_shot/msrvtt", "fine_tuned/msrvtt"}
    assert {role for role in before if before[role].key != after[0][role].key} == evaluations
    assert {role for role in before if after[0][role].key != after[1][role].key} == evaluations


def test_without_caches_no_cell_has_frames() -> None:
    cells = row({"pretrain": {"objective": "d"}}, run={"cache": False})
    assert all("frames" not in cell.inputs for cell in cells.values())


def test_the_gap_measures_every_source_against_every_set() -> None:
    own = grid(gap_sources={"spoken": "narrated", "written": "captions of narrated"}, downstream=["msrvtt", "didemo"])
    found = {name: cell.stage for name, cell in own.gap().inputs.items()}
    corpora = {"spoken", "subtitles", "alt_text", "coco", "images"}  # `spoken` and `written` besides those of the file
    expected = {f"source:{name}": "corpus" for name in corpora}
    expected |= {f"source:{name}": "captions" for name in ("written", "captions")}
    expected |= {f"downstream:{name}": "corpus" for name in ("msrvtt", "didemo")}
    assert found == {"clip": "clip", **expected}


def test_a_study_has_its_gap_only_where_it_asks(tmp_path: Path) -> None:
    study = {"title": "?", "claim": ".", "variants": {"one": {"pretrain": None}}}
    path = tmp_path / "studies.yaml"
    path.write_text(yaml.safe_dump({"studies": {"with": {**study, "gap": True}, "without": study}}))
    found = grid(studies=str(path))
    assert found.studies["with"].gap is not None
    assert found.studies["without"].gap is None
    assert [cell.stage for cell in found.cells.values()].count("gap") == 1


def test_base_and_variant_and_set_are_laid_over_each_other(tmp_path: Path) -> None:
    """The experiment's, the set's, the study's, the variant's own."""
    variants = {"own": {"finetune": {"max_tokens": 9}}, "given": {}}
    study = {
        "title": "?",
        "claim": ".",
        "variants": variants,
        "base": {"pretrain": None, "finetune": {"num_frames": 3}},
    }
    path = tmp_path / "studies.yaml"
    path.write_text(yaml.safe_dump({"studies": {"s": study}}))
    found = grid(studies=str(path), seeds=[0], finetune_sets={"msrvtt": {"num_frames": 2, "max_tokens": 7}})
    tuned = {row.variant: row.cells["finetune/msrvtt"].settings for row in found.studies["s"].rows}
    assert (tuned["own"].num_frames, tuned["own"].max_tokens) == (3, 9)
    assert (tuned["given"].num_frames, tuned["given"].max_tokens) == (3, 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretrain": {"corpus": "zzz"}}, "here: pretrain.corpus: no 'zzz' here; known: "),
        ({"pretrain": {"validate_on": "msrvt"}}, "here: pretrain.validate_on: no 'msrvt' here; did you mean 'msrvtt'?"),
    ],
)
def test_a_variant_names_what_is_not_there(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        row(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": {"corpus": "imagez"}}, "clip.corpus: no 'imagez' here"),
        ({"captioner": {"corpus": "imagez"}}, "captioner.corpus: no 'imagez' here"),
        ({"finetune_sets": {"msrvt": {}}}, "finetune_sets.msrvt: no 'msrvt' here"),
        ({"pretrain": {"validate_on": "msrvt"}}, "pretrain.validate_on: no 'msrvt' here"),
    ],
)
def test_an_experiment_names_what_is_not_there(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid(**change)


def test_later_files_lie_over_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    path.write_text("seeds: [4, 7]\n")
    found = load(["experiments/smoke.yaml", path])
    assert list(found.experiment.seeds) == [4, 7]
    assert found.experiment.name == "smoke"
