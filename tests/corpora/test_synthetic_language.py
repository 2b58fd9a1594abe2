"""What is said: vocabulary, plans, texts of backwards runs, and the perfect reader against a loop."""

import re

import numpy as np
import pytest

from clipvip.corpora.synthetic import words
from clipvip.corpora.synthetic.ceiling import chance, fits, recall, rivals
from clipvip.corpora.synthetic.language import Meaning, Plan, backwards, describe, draw_plan, mentions, say
from clipvip.corpora.synthetic.scenes import NAMES, SLOTS, Scene, facts, facts_at, named, reverse, sample
from clipvip.corpora.synthetic.styles import STYLES

MOVING = tuple(style for style in STYLES if STYLES[style].names["events"])


def told(style: str, count: int = 80, seed: int = 0) -> list[tuple[Scene, Plan]]:
    rng = np.random.default_rng(seed)
    drawn = [sample(rng) for _ in range(count)]
    return [(scene, draw_plan(rng, style, facts(scene), len(scene.events))) for scene in drawn]


def test_vocabulary_is_about_200_words():
    spoken = set()
    for style in STYLES:
        for number, (scene, plan) in enumerate(told(style, 200)):
            used = Plan(plan.slots, plan.events if style in MOVING else ())
            spoken |= set(re.findall(r"[a-z]+", describe(scene, used, style, number).text.lower()))
    assert 170 <= len(spoken) <= 215, len(spoken)


def test_no_word_names_two_values_of_a_slot():
    for slot, names in NAMES.items():
        owner: dict[str, int] = {}
        for table in words.WORDS.values():
            assert len(table[slot]) == len(names)
            for value, phrase in enumerate(table[slot]):
                assert not phrase or owner.setdefault(phrase, value) == value
    codes: dict[str, int] = {}
    for forms in words.VERB_WORDS.values():
        assert len(forms) == 9
        for code, form in enumerate(forms):
            assert codes.setdefault(form, code) == code


def test_mentions_reads_what_a_caption_says():
    rng = np.random.default_rng(0)
    for number in range(150):
        seen, visible = facts_at(sample(rng), 0.5)
        seen = seen if visible else {slot: seen[slot] for slot in ("background", "light")}
        plan = draw_plan(rng, "caption", seen, 0)
        text = say(seen, (), plan, "caption", number).text
        assert mentions(text) == named({slot: seen[slot] for slot in plan.slots})
        assert ("nothing" in text.lower()) == (not visible)


def test_mentions_of_anything_else_is_empty():
    assert mentions("hey guys, welcome back") == {}
    assert mentions("a red RED blue thing") == {"colour": "red"}


@pytest.mark.parametrize("style", MOVING)
def test_meaning_is_the_plan(style: str):
    for number, (scene, plan) in enumerate(told(style)):
        meaning = describe(scene, plan, style, number).meaning
        assert {slot for slot, value in zip(SLOTS, meaning.facts, strict=True) if value >= 0} == set(plan.slots)
        assert meaning.events == tuple(scene.events[position].code for position in plan.events)


@pytest.mark.parametrize("style", ["short", "parts", "script", "paragraph"])
def test_events_stand_in_the_text_in_order(style: str):
    register = {"short": "plain", "parts": "parts", "script": "script", "paragraph": "plain"}[style]
    forms = words.VERB_WORDS[register]
    for number, (scene, plan) in enumerate(told(style)):
        text = describe(scene, plan, style, number).text
        found = sorted((m.start(), code) for code, form in enumerate(forms) for m in re.finditer(rf"\b{form}\b", text))
        assert [code for _, code in found] == [min(scene.events[p].code, 8) for p in plan.events]


@pytest.mark.parametrize("style", MOVING)
def test_backwards_text_is_that_of_the_reversed_scene(style: str):
    none = 0
    for number, (scene, plan) in enumerate(told(style)):
        turned = backwards(scene, plan, style, number)
        if turned is None:
            none += 1
            assert not plan.events
            continue
        back = plan.backwards(len(scene.events))
        own = describe(scene, plan, style, number)
        assert turned.meaning == describe(reverse(scene), back, style, number + 1).meaning
        assert turned.meaning != own.meaning
        assert turned.text != own.text
        again = backwards(reverse(scene), back, style, number)
        assert again is not None
        assert again == own
    assert none < 40


def test_backwards_by_hand():
    scene = next(s for s, _ in told("short", 400) if [e.attribute for e in s.events] == ["radius", "colour"])
    plan = Plan(("colour",), (0, 1))
    start, end = NAMES["colour"][scene.colour], NAMES["colour"][int(scene.events[1].after)]
    grows = scene.events[0].code == 0
    ahead, back = describe(scene, plan, "short", 3).text, backwards(scene, plan, "short", 3)
    assert back is not None
    link = "and then" if "and then" in ahead else "then"
    assert ahead == f"a {start} object {'grows' if grows else 'shrinks'} {link} turns {end}"
    assert back.text == f"a {end} object turns {start} {link} {'shrinks' if grows else 'grows'}"


def fits_slowly(meaning: Meaning, scene: Scene) -> bool:
    """One text, one clip: every said slot holds, the events said are a subsequence of those that happen."""
    held = facts(scene)
    if any(value >= 0 and value != held[slot] for slot, value in zip(SLOTS, meaning.facts, strict=True)):
        return False
    happening = iter(event.code for event in scene.events)
    return all(code in happening for code in meaning.events)


@pytest.mark.parametrize("style", ["short", "spoken"])
def test_perfect_reader_against_a_loop(style: str):
    pairs = told(style, 100)
    meanings = [describe(scene, plan, style, 0).meaning for scene, plan in pairs]
    drawn = [scene for scene, _ in pairs]
    fit = fits(meanings, drawn)
    slow = np.array([[fits_slowly(meaning, scene) for scene in drawn] for meaning in meanings])
    assert (fit == slow).all()
    assert fit.diagonal().all()
    assert fit.sum() > len(drawn)  # some texts fit several clips: the comparison is not of diagonals


def test_recall_of_a_reader_who_guesses_among_what_fits():
    equal = np.array([2, 1, 4, 1])
    assert recall(equal, 1) == pytest.approx(100 * (0.5 + 1 + 0.25 + 1) / 4)
    assert recall(equal, 3) == pytest.approx(100 * (1 + 1 + 0.75 + 1) / 4)
    assert recall(equal, 3, before=np.array([2, 4, 1, 0])) == pytest.approx(100 * (0.5 + 0 + 0.5 + 1) / 4)


def test_rivals_by_hand():
    fit = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)  # text 2 says little and fits everything
    sharper, equal = rivals(fit, np.array([0.1, 0.1, 0.9]))
    assert sharper.tolist() == [0, 0, 0]
    assert equal.tolist() == [2, 2, 1]
    assert rivals(fit, np.array([0.1, 0.2, 0.9]))[0].tolist() == [0, 1, 0]


def test_texts_that_say_more_fit_less_by_chance():
    scene, _ = told("short", 1)[0]
    few, more = (describe(scene, Plan(slots, ()), "short", 0).meaning for slots in (("colour",), ("colour", "shape")))
    shares = chance([few, more])
    assert shares[0] == pytest.approx(1 / 6, abs=0.04)
    assert shares[1] == pytest.approx(1 / 24, abs=0.02)


def test_perfect_reader_of_nothing():
    assert fits([], []).shape == (0, 0)
