"""One part of the miniature world, made: annotation files, media, and the truth about every clip.

Paper section 4.1 (data). The files are in the public formats (annotations.py, media.py); what no public file tells
(scene, twin, backwards text, how many clips a text fits) goes to truth.parquet.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from tqdm import tqdm

from clipvip.config.data import WorldSettings
from clipvip.corpora.synthetic.addresses import addresses
from clipvip.corpora.synthetic.annotations import WRITERS, Clip
from clipvip.corpora.synthetic.ceiling import chance, fits, recall, rivals
from clipvip.corpora.synthetic.clips import KINDS, PARTS, SPLITS, Split, draw
from clipvip.corpora.synthetic.media import write_image, write_video
from clipvip.corpora.synthetic.render import render
from clipvip.corpora.synthetic.scenes import facts_at, named, reverse
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import written

JUDGED = ("val", "test")  # splits whose perfect reader is computed
# Clips that fit a text; texts that fit a clip; of these, the ones its reader puts before the clip's own, and level.
READER = ("consistent", "consistent_texts", "sharper_texts", "equal_texts")


def make(settings: WorldSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """Write one part into `out`; returns counts and the ceilings. ValueError for a split that its format lacks."""
    clips = gather(settings)
    WRITERS[settings.part](clips, out, settings.pixels, settings.frames / settings.fps)
    truth, ceilings = _truth(settings, clips)
    with written(out / cell_files.TRUTH) as beside:
        truth.to_parquet(beside, index=False)
    started = time.perf_counter()
    for clip in tqdm(clips, desc=f"world {settings.part}", unit="clip", disable=None):
        path = out / clip.address.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if clip.take.moment is None:
            write_video(path, frames(settings, clip), settings.fps)
        else:
            write_image(path, frames(settings, clip)[0])
    spent = time.perf_counter() - started
    return {
        "clips": len(clips),
        "splits": dict(Counter(clip.split for clip in clips)),
        "twins": int(truth["twin"].notna().sum()) // 2,
        "texts": sum(len(clip.texts) for clip in clips),
        "media_bytes": sum((out / clip.address.path).stat().st_size for clip in clips),
        "ms_per_clip": round(1000 * spent / max(1, len(clips)), 2),
        "ceiling": ceilings,
    }


def gather(settings: WorldSettings) -> list[Clip]:
    """The clips of all splits with address and texts, nothing rendered yet."""
    unknown = set(settings.clips) - set(SPLITS)
    assert not unknown, "the settings allow no other split"
    if settings.gallery > 1:
        return _of_split(settings, "test", before=sum(settings.clips.values()) - settings.clips["test"])
    clips: list[Clip] = []
    for split in SPLITS:
        clips += _of_split(settings, split, before=len(clips))
    return _misaligned(settings, clips) if settings.part == "narrated" else clips


def _of_split(settings: WorldSettings, split: Split, before: int) -> list[Clip]:
    """`before` clips stand in the splits ahead of it; the ids of a later gallery follow those of the one before."""
    takes, seconds = draw(settings, split), settings.frames / settings.fps
    past = (settings.gallery - 1) * len(takes)
    places = addresses(settings.part, settings.seed, split, past + len(takes), before, seconds)[past:]
    return [Clip(take, place, split, take.utterances) for take, place in zip(takes, places, strict=True)]


def _misaligned(settings: WorldSettings, clips: list[Clip]) -> list[Clip]:
    """A share of the clips pass their subtitles on to one another; no clip among them keeps its own.

    The share is rounded to whole clips; one clip alone has nobody to swap with and keeps its text.
    """
    rng = np.random.default_rng((settings.seed, PARTS.index("narrated"), 1 << 41))
    count = round(settings.misaligned * len(clips))
    ring = [int(position) for position in rng.permutation(len(clips))[:count]]
    moved = list(clips)
    for here, there in zip(ring, ring[1:] + ring[:1], strict=True):
        moved[here] = replace(clips[here], texts=clips[there].texts, aligned=here == there)
    return moved


def frames(settings: WorldSettings, clip: Clip) -> UInt8[np.ndarray, "frames pixels pixels 3"]:
    """The frames of a clip as rendered (one for a still); a twin is its base from the last frame to the first."""
    take = clip.take
    if take.moment is not None:
        return render(take.scene, np.array([take.moment]), settings.pixels)
    if take.flipped:
        return render(reverse(take.scene), times(settings.frames), settings.pixels)[::-1]
    return render(take.scene, times(settings.frames), settings.pixels)


def times(count: int) -> np.ndarray:
    """Relative time of each of `count` frames, 0 to 1."""
    return np.linspace(0, 1, count) if count > 1 else np.zeros(1)


def _truth(settings: WorldSettings, clips: Sequence[Clip]) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """truth.parquet: one row a clip, and the ceilings of the judged splits in percent."""
    ids: dict[tuple[str, int], list[str]] = {}
    for clip in clips:
        ids.setdefault((clip.split, clip.take.cluster), []).append(clip.address.clip_id)
    downstream = bool(KINDS[settings.part].twinned)
    number = str(settings.gallery) if settings.gallery > 1 else ""
    rows = []
    for clip in clips:
        pair = ids[clip.split, clip.take.cluster]
        turned = clip.take.backwards if downstream else None
        rows.append(
            {
                "clip_id": clip.address.clip_id,
                "split": clip.split,
                "cluster": f"{settings.part}-{settings.seed}-{clip.split}{number}-{clip.take.cluster:05d}",
                "twin": next((name for name in pair if name != clip.address.clip_id), None),
                "scene": json.dumps(asdict(clip.take.scene)),
                "middle": json.dumps(_middle(settings, clip)),
                "text": clip.texts[0].text,
                "backwards": turned.text if turned else None,
                **dict.fromkeys(READER),
            }
        )
    table = pd.DataFrame(rows).astype(dict.fromkeys(READER, "Int64"))
    if settings.part == "narrated":
        table["aligned"] = [clip.aligned for clip in clips]
    return table, _judge(table, clips) if downstream else {}


def _middle(settings: WorldSettings, clip: Clip) -> dict[str, Any]:
    """What the middle frame shows (facts: frame index total // 2); of a still, its moment."""
    moment = clip.take.moment
    at = float(times(settings.frames)[settings.frames // 2]) if moment is None else moment
    facts, visible = facts_at(clip.take.scene, at)
    return {**named(facts), "visible": visible}


def _judge(table: pd.DataFrame, clips: Sequence[Clip]) -> dict[str, dict[str, float]]:
    """Fill the columns of the perfect reader for the judged splits in place; the ceilings in percent."""
    ceilings = {}
    for split in JUDGED:
        chosen = [position for position, clip in enumerate(clips) if clip.split == split]
        if not chosen:
            continue
        meanings = [clips[position].texts[0].meaning for position in chosen]
        fit = fits(meanings, [clips[position].take.scene for position in chosen])
        assert fit.diagonal().all(), "a text must fit its own clip"
        sharper, equal = rivals(fit, chance(meanings))
        counts = (fit.sum(axis=1), fit.sum(axis=0), sharper, equal)
        for column, count in zip(READER, counts, strict=True):
            table.loc[chosen, column] = count
        ceilings[split] = {f"t2v/R@{k}": round(recall(counts[0], k), 2) for k in (1, 5, 10)}
        ceilings[split] |= {f"v2t/R@{k}": round(recall(equal, k, before=sharper), 2) for k in (1, 5, 10)}
    return ceilings
