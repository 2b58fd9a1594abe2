"""Language statistics against counts by hand, and what a generated text names against its own plan."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clipvip.corpora.synthetic.language import SLOTS, describe, draw_plan, named_in
from clipvip.corpora.synthetic.scenes import NAMES, facts, sample
from clipvip.corpora.synthetic.truth import known_scenes
from clipvip.evaluation.language_statistics import naming, of_texts, overlap


def test_lengths_and_vocabulary_by_hand() -> None:
    found = of_texts(["A dog runs.", "the dog's tail, the end"])
    expected = {"sentences": 2, "mean_words": 4.0, "sd_words": 2**0.5, "vocabulary": 7, "type_token": 7 / 8}
    assert found == pytest.approx(expected)
    assert of_texts(["one"])["sd_words"] == 0


def test_overlap_by_hand() -> None:
    ours, theirs = ["a red dog", "a cat"], ["the red red cat", "runs"]
    # theirs: the, red, red, cat, runs: three of five are ours; distinct: {a red dog cat}, {the red cat runs}
    assert overlap(ours, theirs) == {"covered": 3 / 5, "jaccard": 2 / 6}
    assert overlap(ours, [""]) == {"covered": 0.0, "jaccard": 0.0}


def test_naming_counts_texts_that_name_their_own_scene() -> None:
    facts = [{("colour", "red"), ("shape", "ring")}, {("colour", "blue")}, {("colour", "green")}]
    texts = ["um a cherry thing", "the lime ball", "subscribe"]
    assert naming(texts, facts, named_in) == pytest.approx(1 / 3)


@pytest.mark.parametrize("style", ["caption", "spoken"])
def test_what_a_text_is_read_to_name_is_what_it_says(style: str) -> None:
    """Every fact of the plan is read back from the words, whatever the register."""
    rng = np.random.default_rng(0)
    for wording in range(200):
        scene = sample(rng)
        seen = facts(scene)
        plan = draw_plan(rng, style, seen, len(scene.events))
        said = describe(scene, plan, style, wording)
        named = {
            (slot, NAMES[slot][value]) for slot, value in zip(SLOTS, said.meaning.facts, strict=True) if value >= 0
        }
        extra = named_in(said.text) - named
        assert named <= named_in(said.text), said.text
        assert all(slot == "colour" for slot, _ in extra), said.text  # what it turns to


def test_words_of_an_event_name_no_fact() -> None:
    assert named_in("now it gets tiny and then it scoots left") == set()
    assert named_in("a tiny thing at left") == {("size", "small"), ("place", "left")}


def test_scenes_are_known_only_of_generated_worlds(tmp_path: Path) -> None:
    middle = {"colour": "red", "shape": "ring", "background": "grass", "size": "small", "light": "dim", "place": "left"}
    rows = [{"clip_id": str(seen), "middle": json.dumps({**middle, "visible": seen})} for seen in (True, False)]
    pd.DataFrame(rows).to_parquet(tmp_path / "truth.parquet")
    assert known_scenes(str(tmp_path / "none")) == known_scenes("s3://bucket/x") == {}
    assert known_scenes(str(tmp_path)) == {
        "True": set(middle.items()),
        "False": {("background", "grass"), ("light", "dim")},
    }
