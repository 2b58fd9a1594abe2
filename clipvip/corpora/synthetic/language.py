"""What is said about a scene: a plan names some of its facts, a style puts the plan in words.

Meaning is never read back from strings: it is the plan applied to the scene, so that a perfect reader can be computed
(ceiling.py) and a text can be turned into the text of the same clip run backwards (order metric).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from clipvip.corpora.synthetic.scenes import NAMES, SLOTS, UNSAID, Scene, facts, reverse
from clipvip.corpora.synthetic.styles import OBJECT_SLOTS, STYLES, Style
from clipvip.corpora.synthetic.words import PLAIN_FACTS, VERB_WORDS, WORDS

_WORD = re.compile(r"[a-z]+")
_EVENTS = re.compile(r"\b(?:" + "|".join(sorted(chain(*VERB_WORDS.values()), key=len, reverse=True)) + r")\b")
_FACTS = {
    phrase: (slot, value)
    for words in WORDS.values()
    for slot, phrases in words.items()
    for phrase, value in zip(phrases, NAMES[slot], strict=True)
    if phrase
}


@dataclass(frozen=True)
class Plan:
    """Which slots and which of the scene's events (positions, ascending) a text names."""

    slots: tuple[str, ...]
    events: tuple[int, ...]

    def backwards(self, number: int) -> "Plan":
        """The plan that names the same things of a scene of `number` events run backwards."""
        return Plan(self.slots, tuple(sorted(number - 1 - position for position in self.events)))


@dataclass(frozen=True)
class Meaning:
    """What a text asserts: one value a slot of SLOTS (UNSAID where it says nothing), event codes in order.

    A text fits a clip when every said slot holds throughout the clip (colour: at its start) and the events said
    happen in the order said, whatever else happens.
    """

    facts: tuple[int, ...]
    events: tuple[int, ...]


@dataclass(frozen=True)
class Utterance:
    """A text, in the sentences its annotation keeps apart, and what it asserts."""

    sentences: tuple[str, ...]
    meaning: Meaning

    @property
    def text(self) -> str:
        """The sentences joined by one space, as a reader joins them."""
        return " ".join(self.sentences)


def draw_plan(rng: np.random.Generator, style: str, seen: Mapping[str, int], number: int) -> Plan:
    """Which of the facts `seen` and of `number` events a text of this style names.

    Usual sizes, lights and facts that change are left out. At least one fact is named, and by a static style at least
    one of the object where it is there to be seen.
    """
    habit = STYLES[style].names
    sayable = [slot for slot in SLOTS if _sayable(slot, seen)]
    slots = tuple(slot for slot in sayable if rng.random() < habit[slot])
    events: tuple[int, ...] = ()
    if number and rng.random() < habit["events"]:
        every = number == 1 or rng.random() < habit["both"]
        events = tuple(range(number)) if every else (int(rng.integers(number)),)
    if not slots and not events:
        slots = (sayable[int(rng.integers(len(sayable)))],)
    if not habit["events"] and "shape" in sayable and not OBJECT_SLOTS & set(slots):
        slots = (*slots, "shape")
    return Plan(slots, events)


def _sayable(slot: str, seen: Mapping[str, int]) -> bool:
    value = seen.get(slot, UNSAID)
    return value != UNSAID and not (slot in ("size", "light") and value == 1)


def describe(scene: Scene, plan: Plan, style: str, wording: int) -> Utterance:
    """The plan in words; `wording` seeds the choice among synonyms and templates, and nothing else."""
    return say(facts(scene), tuple(scene.events[position].code for position in plan.events), plan, style, wording)


def backwards(scene: Scene, plan: Plan, style: str, wording: int) -> Utterance | None:
    """The text of the same clip run backwards, worded as `describe` words it; None where nothing would change."""
    turned = describe(reverse(scene), plan.backwards(len(scene.events)), style, wording)
    return None if turned.meaning == describe(scene, plan, style, wording).meaning else turned


def say(seen: Mapping[str, int], events: tuple[int, ...], plan: Plan, style: str, wording: int) -> Utterance:
    """The planned slots of the facts `seen` and event codes `events` in words."""
    said = {slot: seen[slot] for slot in plan.slots}
    assert UNSAID not in said.values(), "a fact that changes cannot be said"
    form: Style = STYLES[style]
    sentences = form.put(np.random.default_rng(wording), said, events)
    return Utterance(tuple(sentences), Meaning(tuple(said.get(slot, UNSAID) for slot in SLOTS), events))


def named_in(text: str) -> set[tuple[str, str]]:
    """(slot, value) of every fact that a text of any register names; words inside those of an event do not count."""
    rest = _EVENTS.sub(" ", text.lower())
    return {fact for phrase, fact in _FACTS.items() if re.search(rf"\b{phrase}\b", rest)}


def mentions(text: str) -> dict[str, str]:
    """What a plain static caption says, value name by slot (scenes.NAMES); the first word of a slot counts."""
    found: dict[str, str] = {}
    for word in _WORD.findall(text.lower()):
        if word in PLAIN_FACTS:
            slot, value = PLAIN_FACTS[word]
            found.setdefault(slot, value)
    return found
