"""Scenes of the miniature world: one object, a background, at most two events that change it.

Stands in for the corpora of paper section 4.1. A scene is numbers over relative time 0..1; names of what is seen
(small, dim, left ...) are read off those numbers, so that words and pixels cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

Attribute = Literal["radius", "gain", "colour", "x", "alpha"]

COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SHAPES = ("circle", "square", "cross", "ring")
BACKGROUNDS = ("dark", "grey", "grass", "water", "brick")
SIZES = ("small", "medium", "large")
LIGHTS = ("dim", "normal", "bright")
PLACES = ("left", "middle", "right")
NAMES: Mapping[str, tuple[str, ...]] = {
    "colour": COLOURS,
    "shape": SHAPES,
    "background": BACKGROUNDS,
    "size": SIZES,
    "light": LIGHTS,
    "place": PLACES,
}
SLOTS = tuple(NAMES)
UNSAID = -1  # a fact that changes during the clip, or that a text leaves out

# Verbs in the order of their codes; a change of colour is TURNS + the new colour.
VERBS = ("grows", "shrinks", "brightens", "darkens", "appears", "vanishes", "left", "right")
TURNS = len(VERBS)

# Share of the frame's side (radius, x) or factor of its light (gain): range of each level, then the borders between.
LEVELS: Mapping[str, tuple[tuple[float, float], ...]] = {
    "radius": ((0.12, 0.16), (0.22, 0.31), (0.34, 0.38)),
    "gain": ((0.40, 0.52), (0.85, 1.05), (1.28, 1.42)),
    "x": ((0.30, 0.36), (0.46, 0.54), (0.64, 0.70)),
}
BORDERS: Mapping[str, tuple[float, float]] = {"radius": (0.19, 0.325), "gain": (0.66, 1.16), "x": (0.41, 0.59)}
LEVEL_SHARES = {"radius": (0.12, 0.76, 0.12), "gain": (0.12, 0.76, 0.12), "x": (0.2, 0.6, 0.2)}
SLOT_OF = {"radius": "size", "gain": "light", "x": "place"}

STILL_SHARE, PAIR_SHARE = 0.05, 0.5  # scenes without an event; scenes with two
KINDS: tuple[Attribute, ...] = ("radius", "gain", "colour", "x", "alpha")
KIND_SHARES = (0.28, 0.28, 0.28, 0.04, 0.12)  # appear and vanish stand alone
PAIR_SHARES = (0.31, 0.31, 0.31, 0.07, 0.0)
# When events happen: frames at 0, 1/3, 2/3 and 1 show a pair in order, and training's jittered ends rarely cut one.
ALONE, FIRST, SECOND = (0.37, 0.63), (0.19, 0.31), (0.69, 0.81)


@dataclass(frozen=True)
class Event:
    """One change: `attribute` goes from `before` to `after` while relative time goes from `begin` to `end`."""

    attribute: Attribute
    before: float
    after: float
    begin: float
    end: float

    @property
    def code(self) -> int:
        """Index into VERBS, or TURNS + the new colour."""
        if self.attribute == "colour":
            return TURNS + int(self.after)
        up = self.after > self.before
        pair = {"radius": (0, 1), "gain": (2, 3), "alpha": (4, 5), "x": (7, 6)}[self.attribute]
        return pair[0] if up else pair[1]


@dataclass(frozen=True)
class Scene:
    """The state at the start and the events, in order; `y`, `tint`, `texture`, `grain` are what no text names."""

    colour: int
    shape: int
    background: int
    radius: float
    gain: float
    x: float
    y: float
    alpha: float
    tint: tuple[float, float, float]
    texture: tuple[float, float, float]  # offset down, offset right, brightness
    grain: float
    events: tuple[Event, ...] = ()


def sample(rng: np.random.Generator) -> Scene:
    """A random scene."""
    values: dict[str, Any] = {name: _level(rng, name, LEVEL_SHARES[name]) for name in LEVELS}
    values |= {"colour": int(rng.integers(6)), "alpha": 1.0}
    draw = rng.random()
    number = 0 if draw < STILL_SHARE else 2 if draw < STILL_SHARE + PAIR_SHARE else 1
    kinds = rng.choice(5, size=number, replace=False, p=KIND_SHARES if number < 2 else PAIR_SHARES)
    windows = (ALONE,) if number == 1 else (FIRST, SECOND)
    events = []
    for kind, (begin, end) in zip(kinds, windows, strict=False):
        attribute = KINDS[int(kind)]
        before, after = _change(rng, attribute, values["colour"])
        shift = float(rng.uniform(-0.02, 0.02))
        events.append(Event(attribute, before, after, begin + shift, end + shift))
        values[attribute] = int(before) if attribute == "colour" else before
    return Scene(
        shape=int(rng.integers(4)),
        background=int(rng.integers(5)),
        y=float(rng.uniform(0.43, 0.57)),
        tint=(float(rng.uniform(0.92, 1.08)), float(rng.uniform(0.92, 1.08)), float(rng.uniform(0.92, 1.08))),
        texture=(float(rng.random()), float(rng.random()), float(rng.uniform(0.9, 1.1))),
        grain=float(rng.random()),
        events=tuple(events),
        **values,
    )


def _level(rng: np.random.Generator, name: str, shares: tuple[float, ...]) -> float:
    return float(rng.uniform(*LEVELS[name][int(rng.choice(3, p=shares))]))


def _change(rng: np.random.Generator, attribute: Attribute, colour: int) -> tuple[float, float]:
    """Both ends of an event."""
    if attribute == "colour":
        return float(colour), float((colour + 1 + int(rng.integers(5))) % 6)
    low, high = (
        (0.0, 1.0) if attribute == "alpha" else (_level(rng, attribute, s) for s in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    )
    return (low, high) if rng.random() < 0.5 else (high, low)


def reverse(scene: Scene) -> Scene:
    """The scene run backwards: starts as `scene` ends, the events undone in reverse order."""
    ends: dict[str, Any] = {e.attribute: int(e.after) if e.attribute == "colour" else e.after for e in scene.events}
    events = tuple(
        Event(e.attribute, e.after, e.before, 1 - e.end, 1 - e.begin) for e in reversed(scene.events)
    )  # every attribute changes at most once, so the end state is the `after` of its event
    return replace(scene, events=events, **ends)


def values(scene: Scene, at: Float[np.ndarray, " moments"]) -> dict[str, Float[np.ndarray, " moments"]]:
    """Each attribute at relative times `at` in 0..1; colour jumps half-way through its event, the rest slides."""
    found: dict[str, np.ndarray] = {name: np.full(len(at), float(getattr(scene, name))) for name in KINDS}
    for event in scene.events:
        done = np.clip((at - event.begin) / (event.end - event.begin), 0, 1)
        done = (done >= 0.5).astype(float) if event.attribute == "colour" else done
        found[event.attribute] = event.before + (event.after - event.before) * done
    return found


def level(name: str, value: float) -> int:
    """0, 1 or 2: which of SIZES, LIGHTS, PLACES a radius, gain or x is."""
    low, high = BORDERS[name]
    return int(value > low) + int(value > high)


def facts_at(scene: Scene, at: float) -> tuple[dict[str, int], bool]:
    """What is seen at relative time `at`, as an index by slot, and whether the object is visible at all."""
    now = {name: float(value[0]) for name, value in values(scene, np.array([at])).items()}
    facts = {"colour": int(now["colour"]), "shape": scene.shape, "background": scene.background}
    return facts | {SLOT_OF[name]: level(name, now[name]) for name in LEVELS}, now["alpha"] >= 0.5


def facts(scene: Scene) -> dict[str, int]:
    """What holds throughout, as an index by slot: UNSAID where size, light or place change.

    Colour is the exception: an object goes by the colour it starts with ("the red circle turns blue").
    """
    held: dict[str, int] = {"colour": scene.colour, "shape": scene.shape, "background": scene.background}
    held |= {slot: level(name, getattr(scene, name)) for name, slot in SLOT_OF.items()}
    return held | {SLOT_OF[e.attribute]: UNSAID for e in scene.events if e.attribute in SLOT_OF}


def named(facts: Mapping[str, int]) -> dict[str, str]:
    """Indices as their plain names."""
    return {slot: NAMES[slot][value] for slot, value in facts.items()}
