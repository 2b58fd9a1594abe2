"""How many videos and texts the literature has of each set, so that a number is compared with its like.

Downstream sets as evaluated by CLIP-ViP and those it compares with (facts section 6); other corpora as their authors
count them, or as the files count where no author does.
"""

from typing import NamedTuple

from clipvip.config.data import CorpusSettings


class Counts(NamedTuple):
    """Of one split; None where no one says."""

    videos: int | None
    texts: int | None = None


Splits = dict[str, Counts]

DOWNSTREAM = ("msrvtt", "didemo", "lsmdc", "activitynet")
JSFUSION = {"test": Counts(1000, 1000)}
MSRVTT: dict[str, Splits] = {  # 20 captions a video
    "9k": {"train": Counts(9000, 180_000), **JSFUSION},
    "7k": {"train": Counts(7010, 140_200), **JSFUSION},
    "full": {"train": Counts(6513, 130_260), "val": Counts(497, 9940), "test": Counts(2990, 59_800)},
}
PARAGRAPHS: dict[str, Splits] = {  # one a video
    "didemo": {"train": Counts(8394, 8394), "val": Counts(1065, 1065), "test": Counts(1003, 1003)},
    "activitynet": {"train": Counts(10_009, 10_009), "test": Counts(4917, 4917)},
}
DIDEMO_TESTS = {  # test videos of the public variants; each is whole, and figures are compared within one
    1002: "the authors' jsonl",
    1003: "as papers report it",
    1004: "the test_list.txt of the public lists",
}
LSMDC: Splits = {"train": Counts(None, 101_079), "val": Counts(None, 7408), "test": Counts(1000, 1000)}
WEBVID: dict[str, Splits] = {"10M": {"train": Counts(10_727_607, 10_727_607), "val": Counts(5000, 5000)}}
IMAGES: dict[str, Splits] = {
    "coco": {"train": Counts(118_287), "val": Counts(5000)},  # of 2017
    "cc12m": {"train": Counts(12_423_374, 12_423_374)},
}


def of(settings: CorpusSettings) -> Splits:
    """The counts of a corpus, after what it holds out; empty where no one says. Of a generated one: its settings."""
    if settings.world is not None:
        made = {"test": settings.world.clips["test"]} if settings.later else settings.world.clips
        found: Splits = {split: Counts(count) for split, count in made.items() if count}
    elif settings.format == "msrvtt":
        found = MSRVTT.get(settings.protocol or "9k", {})
    elif settings.format == "webvid":
        found = WEBVID.get(settings.protocol or "", {})
    elif settings.format == "lsmdc":
        found = LSMDC
    else:
        found = PARAGRAPHS.get(settings.format) or IMAGES.get(settings.format) or {}
    held = settings.holdout
    if not held or "train" not in found:
        return found
    videos = found["train"].videos
    return {**found, "train": Counts(videos - held if videos else None), "val": Counts(held)}


def variant_of(settings: CorpusSettings, named: int) -> Counts | None:
    """The test split of the public variant whose annotations name so many test videos; None where none does."""
    if settings.format != "didemo" or settings.world is not None or named not in DIDEMO_TESTS:
        return None
    return Counts(named, named)
