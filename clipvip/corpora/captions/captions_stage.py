"""A caption for the middle frame of every clip (paper section 3.3), or for several, in shards and resumable.

The captioner is a transformers image-to-text folder (GIT, BLIP, ...), fetched or trained here, and read by the same
code in both cases. A clip without a caption has no row: no caption is ever made up.
"""

import functools
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from tqdm import tqdm

from clipvip.config.learning import CaptionsSettings
from clipvip.corpora.captions import imported, merging, quality, reuse
from clipvip.corpora.captions.captioner import Captioner
from clipvip.data import manifest, unreadable
from clipvip.data.ahead import read_ahead
from clipvip.data.clip_ids import Ids
from clipvip.data.clips import Clips, Frames, open_clips
from clipvip.data.media.file_header import VideoError
from clipvip.runtime import cell_files, distributed
from clipvip.runtime.context import Run
from clipvip.runtime.files import write_whole, written

BATCH = 256  # frames captioned at a time
PART = 8 * BATCH  # clips that a kill loses at most
EMPTY = "empty caption"
SOUND = frozenset({EMPTY, imported.ABSENT})  # of clips that can be read


def caption(settings: CaptionsSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """captions.parquet of the whole corpus; quality.json where the scenes are known (inputs["world"]).

    Shards that lie finished in run.work (shard-<i>-of-<n>.parquet) are used; what they lack is captioned here.
    ValueError when more clips are unreadable than the corpus allows.
    """
    shards = sorted(run.work.glob("shard-*-of-*.parquet"))
    parts = [*shards]
    if not _whole(shards):
        ids = manifest.clip_ids(inputs["corpus"])
        parts += _in_parts(settings, inputs, _left(ids, shards), run, "rest")
    if run.rank > 0:
        return {}
    found = merging.merge(parts, out / cell_files.CAPTIONS, SOUND)
    facts = found.facts() | reuse.write(parts, out)
    allowed = manifest.max_bad(inputs["corpus"])
    unreadable.stop_if_too_many(found.unreadable, found.clips, allowed=allowed, where=inputs["corpus"])
    if "world" in inputs and settings.num_frames % 2:  # what is known is of the middle frame
        truth = pd.read_parquet(inputs["world"] / cell_files.TRUTH)
        rows = _read(parts)
        of_middle = rows[rows["caption"].notna() & (rows["frame"] == settings.num_frames // 2)]
        facts["quality"] = quality.by_attribute(of_middle, truth)
        write_whole(out / cell_files.QUALITY, json.dumps(facts["quality"], indent=1) + "\n")
    return facts


def caption_shard(
    settings: CaptionsSettings, inputs: dict[str, Path], part_file: Path, shard: int, num_shards: int, run: Run
) -> None:
    """Caption slice `shard` (0-based) of the corpus cut in `num_shards` into `part_file`; nothing if it is there."""
    if not 0 <= shard < num_shards:
        raise ValueError(f"shard {shard} of {num_shards}: shards count from 0 to {num_shards - 1}")
    if run.agree(part_file.exists()):
        return
    ids = manifest.clip_ids(inputs["corpus"])
    own = list(ids[len(ids) * shard // num_shards : len(ids) * (shard + 1) // num_shards])
    parts = _in_parts(settings, inputs, own, run, part_file.stem)
    if run.rank > 0:
        return
    _write(_read(parts), part_file)
    shutil.rmtree(run.work / "parts" / part_file.stem, ignore_errors=True)


def merge(parts: Sequence[Path], out: Path) -> dict[str, Any]:
    """captions.parquet (clip_id, caption, model; by clip_id) from shards; counts, reasons and speed of one process.

    Frames of a clip that got the same caption give it once. ValueError if there is not one caption among them.
    """
    return merging.merge(parts, out / cell_files.CAPTIONS, SOUND).facts()


def _whole(shards: Sequence[Path]) -> bool:
    """Whether these are all the slices of one cut: a finished one holds every clip of its slice."""
    cut = {name: [path for path in shards if path.stem.endswith(f"-of-{name}")] for name in map(_of, shards)}
    return any(len(slices) == int(name) for name, slices in cut.items())


def _of(shard: Path) -> str:
    return shard.stem.rsplit("-", 1)[-1]


def _left(ids: Ids, parts: Sequence[Path]) -> list[str]:
    """The clips that none of the parts holds."""
    done = np.zeros(len(ids), dtype=bool)
    for part in parts:
        for batch in pq.ParquetFile(part).iter_batches(manifest.PART, columns=["clip_id"]):
            places = ids.positions(batch["clip_id"])
            done[places[places >= 0]] = True
    return list(ids.take(np.flatnonzero(~done)))


def _in_parts(settings: CaptionsSettings, inputs: dict[str, Path], ids: list[str], run: Run, name: str) -> list[Path]:
    """Caption `ids` in parts of PART clips; the files of all parts, those of an earlier, killed run included.

    Several processes each caption their share, and all wait for the last.
    """
    folder = run.work / "parts" / name
    folder.mkdir(parents=True, exist_ok=True)
    if ids and (inputs["captioner"] / imported.NAME).is_file():
        if run.rank == 0:
            _write(imported.rows(inputs["captioner"], ids), folder / "all.parquet")
        return [folder / "all.parquet"]
    parts = sorted(folder.glob("[0-9]*.parquet"))
    done = set(_read(parts)["clip_id"]) if parts else set()
    todo = [clip_id for clip_id in ids if clip_id not in done]
    distributed.together()  # before any of them writes, all have seen the same parts
    own = todo[distributed.share(len(todo), distributed.rank(), distributed.size())]
    if own:
        _caption(settings, inputs, own, run, name, parts, len(ids) - len(todo))
    distributed.together()
    return sorted(folder.glob("[0-9]*.parquet"))


def _caption(
    settings: CaptionsSettings,
    inputs: dict[str, Path],
    todo: list[str],
    run: Run,
    name: str,
    parts: list[Path],
    done: int,
) -> None:
    """Caption the clips `todo` of this process into files beside `parts`, numbered on; `done` clips have theirs."""
    folder, number, total = run.work / "parts" / name, len(parts), done + len(todo)
    captioner = Captioner.load(inputs["captioner"] / "model", run.device)
    label = f"{captioner.model.config.model_type}/{inputs['captioner'].name}"
    clips, known = open_clips(inputs, settings.frames), reuse.Known(run.earlier, todo)
    coming = read_ahead(functools.partial(_centres, clips, settings.num_frames), todo, run.workers)
    shown = None if run.rank == 0 else True
    bar = tqdm(total=total, initial=done, desc=f"captions {name}", unit="clip", disable=shown)
    for start in range(0, len(todo), PART):
        rows = _caption_part(captioner, known, coming, todo[start : start + PART], settings, bar)
        _write(rows.assign(model=label), folder / f"{number + start // PART:06d}-{run.rank}.parquet")
        if bar.disable and run.rank == 0:
            done_now = done + min(len(todo), start + PART)
            speed = rows["clip_id"].nunique() / float(rows["seconds"].sum())
            print(f"captions {name}: {done_now}/{total} clips, {speed:.0f} clips/s", file=sys.stderr, flush=True)
    bar.close()


def _centres(clips: Clips, parts: int, clip_id: str) -> Frames:
    return clips.centres(clip_id, parts)


def _caption_part(
    captioner: Captioner,
    known: reuse.Known,
    coming: Iterator[Frames | VideoError],
    ids: list[str],
    settings: CaptionsSettings,
    bar: Any,
) -> pd.DataFrame:
    """Rows of clip_id, frame (its number among those asked for), caption or null, reason where null, and seconds.

    `coming`: the frames of each clip; what is `known` is not captioned again. A clip that cannot be read has one row.
    """
    size = max(1, BATCH // settings.num_frames)
    rows = []
    for start in range(0, len(ids), size):
        batch, clock = ids[start : start + size], time.perf_counter()
        images: dict[tuple[str, int], Any] = {}
        texts: dict[tuple[str, int], str | None] = {}
        reasons: dict[str, str] = {}
        seen: dict[str, tuple[str, str | None]] = {}  # digest, and the cell that the captions are taken from
        for clip_id in batch:
            centres = next(coming)
            if isinstance(centres, VideoError):
                reasons[clip_id] = centres.reason
                continue
            pixels = reuse.digest(centres)
            captions, cell = known.get(clip_id, pixels) or (None, None)
            seen[clip_id] = pixels, cell
            texts.update(((clip_id, i), text) for i, text in enumerate(captions or []))
            images.update(((clip_id, i), image) for i, image in enumerate(centres) if captions is None)
        if images:
            texts.update(zip(images, captioner.write(list(images.values()), settings), strict=True))
        asked = [*texts, *((clip_id, 0) for clip_id in reasons)]
        share = (time.perf_counter() - clock) / len(asked)
        for clip_id, frame in asked:
            text = texts.get((clip_id, frame)) or None
            reason = None if text else reasons.get(clip_id, EMPTY)
            row = {"clip_id": clip_id, "frame": frame, "caption": text, "reason": reason, "seconds": share}
            rows.append(row | dict(zip((reuse.PIXELS, reuse.TAKEN), seen.get(clip_id, (None, None)), strict=True)))
        bar.update(len(batch))
        distributed.moved()
    words = ("clip_id", "caption", "reason", reuse.PIXELS, reuse.TAKEN)
    return pd.DataFrame(rows).astype(dict.fromkeys(words, "str"))


def _read(parts: Sequence[Path]) -> pd.DataFrame:
    """The rows of all parts; a frame that two of them hold counts once."""
    if not parts:
        raise ValueError("no captions to put together: the corpus has no clip")
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True).drop_duplicates(["clip_id", "frame"])


def _write(rows: pd.DataFrame, path: Path) -> None:
    with written(path) as beside:
        rows.to_parquet(beside, index=False)
