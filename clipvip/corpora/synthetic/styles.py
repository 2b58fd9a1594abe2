"""Styles: how often each fact is named, and the sentences it is put in, for each kind of corpus.

Stands in for the language of paper section 4.1: alt text, captions, subtitles, and four kinds of downstream text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipvip.corpora.synthetic.scenes import TURNS
from clipvip.corpora.synthetic.words import FILLERS, GREETINGS, OPENERS, TAILS, THING, VERB_WORDS, WORDS, Register

Said = Mapping[str, int]
Events = tuple[int, ...]
OBJECT_SLOTS = {"colour", "shape", "size"}  # a static text that names none of them says that nothing is there


class Voice:
    """Chooses words: for each word, a register drawn from `registers` with `shares`."""

    def __init__(self, rng: np.random.Generator, registers: Sequence[Register], shares: Sequence[float]):
        self.rng, self.registers, self.edges = rng, registers, np.cumsum(shares)

    def register(self) -> Register:
        """The register of the next word."""
        return self.registers[int(np.searchsorted(self.edges, self.rng.random() * self.edges[-1]))]

    def one_of(self, options: Sequence[str]) -> str:
        """Any one of the options."""
        return options[int(self.rng.integers(len(options)))]

    def maybe(self, options: Sequence[str], chance: float) -> list[str]:
        """One of the options with that chance, else nothing."""
        return [self.one_of(options)] if self.rng.random() < chance else []

    def noun(self, said: Said, slots: Sequence[str] = ("size", "colour")) -> str:
        """The object with its adjectives, without an article: "small red circle"."""
        words = [WORDS[self.register()][slot][said[slot]] for slot in slots if slot in said]
        register = self.register()
        return " ".join([*words, WORDS[register]["shape"][said["shape"]] if "shape" in said else THING[register]])

    def setting(self, said: Said, slots: Sequence[str] = ("background", "place", "light")) -> list[str]:
        """The phrases of background, place and light, in any order."""
        phrases = [WORDS[self.register()][slot][said[slot]] for slot in slots if slot in said]
        return [phrases[i] for i in self.rng.permutation(len(phrases))]

    def verb(self, code: int, forms: Sequence[str]) -> str:
        """The verb of an event code."""
        if code < TURNS:
            return forms[code]
        return f"{forms[TURNS]} {WORDS[self.register()]['colour'][code - TURNS]}"


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _static(rng: np.random.Generator, said: Said, voice: Voice, opener: Sequence[str]) -> list[str]:
    if not OBJECT_SLOTS & said.keys():
        return [" ".join(["nothing", *voice.setting(said)])]
    return [" ".join([*opener, article(voice.noun(said)), *voice.setting(said)])]


def caption(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """COCO: plain and static."""
    voice = Voice(rng, ("plain",), (1.0,))
    text = _static(rng, said, voice, voice.maybe(("there is", "a picture of", "we see"), 0.4))[0]
    return [f"{text.capitalize()}."]


def alt_image(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """CC12M: static, synonyms of several registers side by side."""
    voice = Voice(rng, ("plain", "stock", "spoken", "script"), (0.4, 0.25, 0.15, 0.2))
    return _static(rng, said, voice, voice.maybe(("photo of", "a picture of"), 0.3))


def chatty(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """Chatter under an image: words of speech, some of them about nothing that is seen."""
    voice = Voice(rng, ("spoken", "plain"), (0.67, 0.33))
    forms = list(VERB_WORDS.values())[int(rng.integers(len(VERB_WORDS)))]
    idle = [f"it {voice.verb(int(rng.integers(TURNS + 6)), forms)}"] if rng.random() < 0.35 else []
    seen = _static(rng, said, voice, [voice.one_of(OPENERS)])
    parts = [*voice.maybe(GREETINGS, 0.3), *voice.maybe(FILLERS, 0.5), *seen, *idle, *voice.maybe(TAILS, 0.4)]
    return [" ".join(parts)]


def spoken(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """HD-VILA: what is said over the clip; its own words two times in three."""
    voice = Voice(rng, ("spoken", "plain"), (0.67, 0.33))
    parts = [*voice.maybe(GREETINGS, 0.25), *voice.maybe(FILLERS, 0.4)]
    parts += [f"{voice.one_of(OPENERS)} {article(voice.noun(said))}" if said else "look", *voice.setting(said)]
    for place, code in enumerate(events):
        link = voice.one_of(("and it", "now it", "so it")) if place == 0 else voice.one_of(("and then it", "then it"))
        register = voice.register()
        parts.append(f"{link} {voice.verb(code, VERB_WORDS[register])}")
        parts += voice.maybe(FILLERS, 0.15)
    return [" ".join([*parts, *voice.maybe(TAILS, 0.35)])]


def stock(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """WebVid: a title without articles, verbs as gerunds."""
    voice = Voice(rng, ("stock", "plain"), (0.6, 0.4))
    verbs = " then ".join(voice.verb(code, VERB_WORDS["stock"]) for code in events)
    title = " ".join(part for part in (voice.noun(said), verbs) if part)
    return [", ".join([title.capitalize(), *voice.setting(said)])]


def short(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """MSR-VTT: one short plain sentence."""
    voice = Voice(rng, ("plain",), (1.0,))
    verbs = voice.one_of((" and then ", " then ")).join(voice.verb(code, VERB_WORDS["plain"]) for code in events)
    subject = article(voice.noun(said))
    setting = voice.setting(said)
    if not events:
        return [" ".join(["there is", subject, *setting])]
    if setting and rng.random() < 0.3:
        return [" ".join([*setting, subject, verbs])]
    return [" ".join([subject, *setting, verbs])]


def parts(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """DiDeMo: moments described one by one, by different people, to be joined."""
    voice = Voice(rng, ("plain",), (1.0,))
    shape = {slot: said[slot] for slot in ("shape",) if slot in said}
    first = " ".join([article(voice.noun(said)), *voice.setting(said)])
    later = [f"the {voice.noun(shape)} {voice.verb(code, VERB_WORDS['parts'])}" for code in events]
    if said.keys() - {"shape"} or not later:
        return [first, *later]
    return later


def script(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """LSMDC: film description, in words of its own."""
    voice = Voice(rng, ("script",), (1.0,))
    subject = article(voice.noun(said))
    setting = voice.setting(said)
    verbs = ", then ".join(voice.verb(code, VERB_WORDS["script"]) for code in events)
    seen = "" if verbs and rng.random() < 0.6 else "SOMEONE watches as " if verbs else "SOMEONE sees "
    sentence = " ".join(part for part in (seen + subject, verbs) if part)
    opening = " ".join(setting)
    return [(f"{opening[0].upper()}{opening[1:]}, {sentence}." if opening else f"{sentence[0].upper()}{sentence[1:]}.")]


def paragraph(rng: np.random.Generator, said: Said, events: Events) -> list[str]:
    """ActivityNet Captions: one sentence a moment, with connectives."""
    voice = Voice(rng, ("plain",), (1.0,))
    opener = voice.one_of(("We see", "There is", "The video shows"))
    sentences = [" ".join([opener, article(voice.noun(said)), *voice.setting(said)]) + "."]
    for place, code in enumerate(events):
        link = voice.one_of(("It", "First it", "Soon it") if place == 0 else ("Then it", "After that it", "Next it"))
        sentences.append(f"{link} {voice.verb(code, VERB_WORDS['plain'])}.")
    return sentences


@dataclass(frozen=True)
class Style:
    """How sentences are made, and how often each fact, any event, and both of two events are named."""

    put: Callable[[np.random.Generator, Said, Events], list[str]]
    names: Mapping[str, float]


def _names(
    colour: float, shape: float, background: float, rest: float, events: float = 0.0, both: float = 1.0
) -> Mapping[str, float]:
    extra = {"size": rest, "light": rest, "place": 0.6 * rest}
    return {"colour": colour, "shape": shape, "background": background, "events": events, "both": both, **extra}


STYLES: Mapping[str, Style] = {
    "caption": Style(caption, _names(0.95, 0.95, 0.8, 0.65)),
    "alt_image": Style(alt_image, _names(0.9, 0.9, 0.75, 0.6)),
    "chatty": Style(chatty, _names(0.7, 0.7, 0.5, 0.4)),
    "spoken": Style(spoken, _names(0.45, 0.45, 0.3, 0.15, events=0.8, both=0.9)),
    "stock": Style(stock, _names(0.8, 0.8, 0.6, 0.3, events=0.7, both=0.9)),
    "short": Style(short, _names(0.9, 0.9, 0.6, 0.4, events=1.0, both=0.9)),
    "parts": Style(parts, _names(0.92, 0.9, 0.8, 0.45, events=1.0, both=0.9)),
    "script": Style(script, _names(0.88, 0.88, 0.65, 0.35, events=1.0, both=0.88)),
    "paragraph": Style(paragraph, _names(0.95, 0.9, 0.85, 0.5, events=1.0, both=0.95)),
}
