"""The clips of one part: scenes with their twins, what is said of each, drawn before anything is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clipvip.config.data import Part, WorldSettings
from clipvip.corpora.synthetic.language import Plan, Utterance, backwards, describe, draw_plan, say
from clipvip.corpora.synthetic.scenes import Scene, facts, facts_at, reverse, sample

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
PARTS: tuple[Part, ...] = ("images", "coco", "narrated", "alt_text", "msrvtt", "didemo", "lsmdc", "activitynet")
CHATTY_SHARE = 5 / 29  # images: share with chatty text, so that words of speech are known to the starting CLIP


@dataclass(frozen=True)
class Kind:
    """What the clips of a part are."""

    style: str  # of STYLES
    splits: tuple[Split, ...]  # that the public format has
    twinned: tuple[Split, ...] = ()  # with clips run backwards
    texts: int = 1  # per clip
    still: bool = False  # single images


KINDS: Mapping[Part, Kind] = {
    "images": Kind("alt_image", ("train", "val"), still=True),
    "coco": Kind("caption", ("train", "val"), texts=5, still=True),
    "narrated": Kind("spoken", ("train",)),
    "alt_text": Kind("stock", ("train", "val")),
    "msrvtt": Kind("short", ("train", "test"), ("test",), texts=5),
    "didemo": Kind("parts", ("train", "val", "test"), ("val", "test")),
    "lsmdc": Kind("script", ("train", "val", "test"), ("val", "test")),
    "activitynet": Kind("paragraph", ("train", "test"), ("test",)),
}


@dataclass(frozen=True)
class Take:
    """One clip without its address: `scene` is what it shows, `base` the same run the other way for a twin."""

    scene: Scene
    moment: float | None  # relative time of a still; None: the whole clip
    style: str
    plans: tuple[Plan, ...]
    wordings: tuple[int, ...]
    cluster: int  # number of the scene in its split; shared with the twin
    flipped: bool = False  # the twin: rendered as the base scene, shown from its last frame to its first

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """Every text of the clip; the first is the one that is evaluated."""
        pairs = zip(self.plans, self.wordings, strict=True)
        if self.moment is not None:
            seen, _ = facts_at(self.scene, self.moment)
            return tuple(say(seen, (), plan, self.style, wording) for plan, wording in pairs)
        return tuple(describe(self.scene, plan, self.style, wording) for plan, wording in pairs)

    @property
    def backwards(self) -> Utterance | None:
        """The first text as it would be of the clip run backwards; None where it says nothing of order."""
        return backwards(self.scene, self.plans[0], self.style, self.wordings[0])


def draw(settings: WorldSettings, split: Split) -> list[Take]:
    """The takes of one split, twins included; ValueError where the public format has no such split."""
    kind, count = KINDS[settings.part], settings.clips.get(split, 0)
    if count and split not in kind.splits:
        known = ", ".join(kind.splits)
        raise ValueError(f"world part {settings.part!r}: clips.{split}: its format has no such split; give {known}")
    later = (settings.gallery,) if settings.gallery > 1 else ()  # a stream of its own; that of the first stays
    key = (settings.seed, PARTS.index(settings.part), SPLITS.index(split), *later)
    share = settings.twins if split in kind.twinned else 0.0
    takes: list[Take] = []
    owed = 0.0  # twins that are due; a scene that reads the same both ways passes its own on
    for number in range(count):
        if len(takes) >= count:
            break
        rng = np.random.default_rng((*key, number))
        take = _take(rng, settings.part, number)
        takes.append(take)
        owed += share
        if owed >= 1 and len(takes) < count and take.scene.events:
            takes.append(_twin(rng, take))
            owed -= 1
    if not share:
        return takes  # in order, so that a larger split begins with the smaller one
    order = np.random.default_rng((*key, 1 << 40)).permutation(count)
    return [takes[position] for position in order]


def _take(rng: np.random.Generator, part: Part, number: int) -> Take:
    kind, scene = KINDS[part], sample(rng)
    chatty = part == "images" and int((number + 1) * CHATTY_SHARE) > int(number * CHATTY_SHARE)
    style = "chatty" if chatty else kind.style
    moment = float(rng.random()) if kind.still else None
    seen, events = facts(scene), len(scene.events)
    if moment is not None:
        seen, visible = facts_at(scene, moment)
        seen = seen if visible else {slot: seen[slot] for slot in ("background", "light")}
        events = 0
    plans = tuple(draw_plan(rng, style, seen, events) for _ in range(kind.texts))
    return Take(scene, moment, style, plans, _wordings(rng, kind.texts), number)


def _twin(rng: np.random.Generator, take: Take) -> Take:
    """The clip run backwards; its texts name the same things in other words."""
    plans = tuple(plan.backwards(len(take.scene.events)) for plan in take.plans)
    wordings = _wordings(rng, len(plans))
    return Take(reverse(take.scene), None, take.style, plans, wordings, take.cluster, flipped=True)


def _wordings(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    return tuple(int(seed) for seed in rng.integers(1 << 62, size=count))
