"""The expected counts of every set, against numbers copied by hand from where they were published.

MSR-VTT: Xu et al. 2016 (10,000 videos of 20 captions in 6,513 / 497 / 2,990); JSFusion's 1,000 pairs (Yu et al. 2018)
leave 9,000 or, with Miech et al. 2019, 7,010 for training. DiDeMo, LSMDC, ActivityNet (val1): as split by CLIP-ViP
(arXiv 2209.06430) and those it compares with. WebVid-10M: Bain et al. 2021. COCO: the lists of 2017. CC12M: the lines
of its released list (Changpinyo et al. 2021).
"""

import pytest

from clipvip.config.data import CorpusSettings, WorldSettings
from clipvip.corpora import reference_counts

PUBLISHED = {
    ("msrvtt", None): {"train": (9000, 180000), "test": (1000, 1000)},
    ("msrvtt", "9k"): {"train": (9000, 180000), "test": (1000, 1000)},
    ("msrvtt", "7k"): {"train": (7010, 140200), "test": (1000, 1000)},
    ("msrvtt", "full"): {"train": (6513, 130260), "val": (497, 9940), "test": (2990, 59800)},
    ("didemo", None): {"train": (8394, 8394), "val": (1065, 1065), "test": (1003, 1003)},
    ("lsmdc", None): {"train": (None, 101079), "val": (None, 7408), "test": (1000, 1000)},
    ("activitynet", None): {"train": (10009, 10009), "test": (4917, 4917)},
    ("webvid", "10M"): {"train": (10727607, 10727607), "val": (5000, 5000)},
    ("coco", None): {"train": (118287, None), "val": (5000, None)},
    ("cc12m", None): {"train": (12423374, 12423374)},
    ("hdvila", None): {},
    ("webvid", None): {},
    ("folder", None): {},
}


@pytest.mark.parametrize(("format_", "protocol"), PUBLISHED)
def test_counts_are_the_published_ones(format_: str, protocol: str | None) -> None:
    found = reference_counts.of(CorpusSettings(format=format_, root="x", protocol=protocol))
    assert {split: tuple(counts) for split, counts in found.items()} == PUBLISHED[format_, protocol]


def test_every_counted_set_is_held_here() -> None:
    held = {format_ for format_, _ in PUBLISHED}
    assert {*reference_counts.DOWNSTREAM, *reference_counts.PARAGRAPHS, *reference_counts.IMAGES} <= held
    assert set(reference_counts.MSRVTT) == {protocol for name, protocol in PUBLISHED if name == "msrvtt" and protocol}
    assert set(reference_counts.WEBVID) == {protocol for name, protocol in PUBLISHED if name == "webvid" and protocol}
    assert reference_counts.DOWNSTREAM == ("msrvtt", "didemo", "lsmdc", "activitynet")


def test_what_is_held_out_becomes_val_and_its_texts_are_unknown() -> None:
    found = reference_counts.of(CorpusSettings(format="msrvtt", root="x", holdout=500))
    assert found == {"train": (8500, None), "test": (1000, 1000), "val": (500, None)}
    found = reference_counts.of(CorpusSettings(format="lsmdc", root="x", holdout=7))
    assert found == {"train": (None, None), "val": (7, None), "test": (1000, 1000)}


def test_a_generated_set_has_what_its_settings_say() -> None:
    world = WorldSettings(part="msrvtt", clips={"train": 24, "val": 0, "test": 12})
    assert reference_counts.of(CorpusSettings(format="msrvtt", world=world)) == {
        "train": (24, None),
        "test": (12, None),
    }
