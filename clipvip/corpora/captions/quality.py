"""How good captions are: by references, or by what a generated world knows of the frame (paper section 3.3)."""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.data import FramesSettings
from clipvip.config.learning import CaptionsSettings
from clipvip.data import manifest
from clipvip.data.batches import texts_by_clip
from clipvip.data.clips import open_clips
from clipvip.data.media.file_header import VideoError

BATCH = 256  # frames captioned at a time
OBJECT = ("colour", "shape", "size", "place")  # attributes of the object, which may be out of sight

Writer = Callable[[list[Any], CaptionsSettings], list[str]]  # frames [height, width, 3] to captions


def agreement(write: Writer, inputs: dict[str, Path], frames: FramesSettings) -> dict[str, int | float]:
    """On the val split: share of captions that are one of their image's references, and of their words found there."""
    texts = texts_by_clip(manifest.read(inputs["corpus"], split="val"))
    clips = open_clips(inputs, frames)
    ids = list(texts)
    read, equal, found, said = 0, 0, 0, 0
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        images = {}
        for clip_id in batch:
            with contextlib.suppress(VideoError):  # it has no row among the captions either
                images[clip_id] = clips.middle(clip_id)[0]
        read += len(images)
        for clip_id, text in zip(images, write(list(images.values()), CaptionsSettings()), strict=True):
            references = [_words(known) for known in texts[clip_id]]
            words = _words(text)
            equal += words in references
            found += len([word for word in words if any(word in known for known in references)])
            said += len(words)
    shares = {"exact": equal / max(1, read), "words": found / max(1, said)}
    return {"clips": read, **{key: round(value, 4) for key, value in shares.items()}}


def by_attribute(captions: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    """By attribute: how many captions name it, how many of these are right, and both as shares.

    An attribute of an object that is out of sight in the middle frame cannot be right; `empty` counts such frames
    and the captions that name no object there.
    """
    from clipvip.corpora.synthetic.language import mentions
    from clipvip.corpora.synthetic.scenes import NAMES

    rows = captions.merge(truth[["clip_id", "middle"]], on="clip_id")
    said, seen = [mentions(text) for text in rows["caption"]], [json.loads(middle) for middle in rows["middle"]]
    found: dict[str, Any] = {"captions": len(rows), "attributes": {}}
    for slot in NAMES:
        pairs = [(words[slot], facts) for words, facts in zip(said, seen, strict=True) if slot in words]
        right = sum(word == facts[slot] and (facts["visible"] or slot not in OBJECT) for word, facts in pairs)
        counts = {"named": len(pairs), "right": right}
        shares = {"named_share": len(pairs) / max(1, len(rows)), "right_share": right / max(1, len(pairs))}
        found["attributes"][slot] = {**counts, **{key: round(value, 4) for key, value in shares.items()}}
    blank = [not set(OBJECT) & set(words) for words, facts in zip(said, seen, strict=True) if not facts["visible"]]
    found["empty"] = {"clips": len(blank), "right": sum(blank)}
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
