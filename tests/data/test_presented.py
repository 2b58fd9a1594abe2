"""Every way of reading against a plain decode by another program, on one file of every kind that people have."""

import copy
import gc
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import barcodes
import numpy as np
import pandas as pd
import pytest
from barcode_kinds import KINDS
from hypothesis import given, settings
from hypothesis import strategies as st

from clipvip.config.data import FramesSettings
from clipvip.corpora import media_health, prepare
from clipvip.corpora.media_health import JOURNAL, examine
from clipvip.data import frame_cache, manifest
from clipvip.data.clips import Clips
from clipvip.data.media.file_header import VideoError
from clipvip.data.media.moments import TICK, Span
from clipvip.data.media.sampled_frames import read_and_count
from clipvip.data.media.transcode import Recipe, transcode
from clipvip.data.media.video import centres, read_all, read_chosen, read_timed, resize, sample_indices
from clipvip.results.report import strips
from clipvip.runtime.context import Run

FRAMES = FramesSettings(size=32)
STREAM = {"two streams mp4": 1, "two streams mkv": 1}  # of video, which is to be shown
Found = np.ndarray | str  # frames, or the reason why there are none


@dataclass(frozen=True)
class Made:
    """A corpus with a clip of each kind, and its frame cache."""

    corpus: Path
    cache: Path
    files: dict[str, Path]

    def clips(self, *, cached: bool) -> Clips:
        return Clips(self.corpus, self.cache if cached else None, FRAMES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("kinds")
    files = {name: root / "media" / f"{place}.{kind.ending}" for place, (name, kind) in enumerate(KINDS.items())}
    (root / "media").mkdir()
    for name, path in files.items():
        KINDS[name].make(path)
    rows = pd.DataFrame({"clip_id": list(files), "path": [path.name for path in files.values()]})
    rows = rows.assign(start=None, end=None, text="said", source="caption", split="train")
    corpus, cache = root / "corpus", root / "cache"
    corpus.mkdir()
    cache.mkdir()
    manifest.write(rows, corpus, root=root / "media", format="msrvtt", max_bad=1.0)
    frame_cache.make(FRAMES, {"corpus": corpus}, cache, Run(work=root))
    return Made(corpus, cache, files)


def plainly(name: str, path: Path) -> Found:
    """What the other program shows; nothing of a file that is to be refused."""
    return "" if KINDS[name].refused else barcodes.shown(path, STREAM.get(name, 0))


def found(read: Callable[[], np.ndarray]) -> Found:
    try:
        return read()
    except VideoError as error:
        return error.reason


def small(frames: np.ndarray) -> np.ndarray:
    return resize(np.ascontiguousarray(frames), FRAMES.size, FRAMES.resize)


def ways(made: Made, name: str, truth: Found) -> Iterator[tuple[str, Found, Found]]:
    """(way of reading, what it gives, what the plain frames say it should)."""
    path, total = made.files[name], len(truth)
    whole = truth if isinstance(truth, str) else small(truth)

    def of(indices: np.ndarray) -> Found:
        return whole if isinstance(whole, str) else whole[indices]

    def wanted(choose: Callable[[int], np.ndarray]) -> Found:
        return whole if isinstance(truth, str) else of(choose(total))

    yield "file", found(lambda: read_all(path)), truth
    for way, cached in (("cache", True), ("live", False)):
        clips = made.clips(cached=cached)
        yield way, found(lambda clips=clips: clips.chosen(name, np.arange)), whole
        for seed in (None, 0, 1):
            rng, same = (None if seed is None else np.random.default_rng(seed) for _ in range(2))
            sampled = found(lambda clips=clips, rng=rng: clips.sample(name, 12, rng))
            yield f"{way} sampled", sampled, wanted(lambda total, same=same: sample_indices(total, 12, rng=same))
        captioned = found(lambda clips=clips: clips.centres(name, 3))
        yield f"{way} captions", captioned, wanted(lambda total: centres(total, 3))
        strip = found(lambda clips=clips: strips.spread(clips, name))
        yield f"{way} gallery", strip, wanted(lambda total: np.linspace(0, total - 1, 4).round().astype(int))
    embedded = found(lambda: small(read_and_count(path, 12)[0]))
    yield "embed", embedded, wanted(lambda total: sample_indices(total, 12, rng=None))
    yield "prepare", *prepared(made, name, truth)


def prepared(made: Made, name: str, truth: Found) -> tuple[Found, Found]:
    """Numbers and times (milliseconds) of the frames of a copy, and those of the file itself."""
    path, out = made.files[name], made.corpus.parent / "prepared"
    entry = prepare._one(path.name, path, out, Recipe(fps=100.0, side=64, quality=10))
    if entry.reason:
        return entry.reason, truth
    times = [[time for part in read_timed(each, Span()) for time, _ in part] for each in (out / path.name, path)]
    copied = np.array([barcodes.numbers(read_all(out / path.name)), np.rint(np.multiply(times[0], 1000))])
    return copied, np.array([barcodes.numbers(np.asarray(truth)), np.rint(np.multiply(times[1], 1000))])


def equal(one: Found, other: Found) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    return one.shape == other.shape and bool((one == other).all())


def test_every_way_of_reading_gives_the_frames_that_are_shown(made: Made) -> None:
    table: dict[str, dict[str, str]] = {}
    for name, kind in KINDS.items():
        truth = plainly(name, made.files[name])
        if isinstance(truth, str):  # refused: for one reason, which is that of every way
            reason = found(lambda name=name: read_all(made.files[name]))
            assert isinstance(reason, str), name
            assert re.search(str(kind.refused), reason), f"{name}: {reason}"
            truth = reason
        else:
            assert -1 not in barcodes.numbers(truth), f"{name}: not upright"
        row = table[name] = {}
        for way, got, wanted in ways(made, name, truth):
            same = "=" if equal(got, wanted) else got if isinstance(got, str) else "other frames"
            row[way] = same if row.get(way, "=") == "=" else row[way]
        row["says"] = truth if isinstance(truth, str) else ""
    shown = pd.DataFrame.from_dict(table, orient="index")
    with pd.option_context("display.width", 300, "display.max_columns", 30, "display.max_rows", 200):
        print(f"\n{shown.to_string()}")
    assert (shown.drop(columns="says") == "=").all(axis=None), shown[(shown.drop(columns="says") != "=").any(axis=1)]


@given(
    name=st.sampled_from(["h264 mp4", "variable rate mkv", "edit list", "joined ts", "h264 avi", "29.97 a second"]),
    start=st.none() | st.floats(0.0, 2.2),
    length=st.none() | st.floats(0.05, 3.0),
    fps=st.none() | st.floats(0.5, 40.0),
    num_frames=st.integers(1, 16),
    seed=st.none() | st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_spans_rates_and_sampling_agree_over_all_ways(
    made: Made, name: str, start: float | None, length: float | None, fps: float | None, num_frames: int, seed: int
) -> None:
    path, end = made.files[name], None if length is None else (start or 0.0) + length
    timed = [each for part in read_timed(path, Span()) for each in part]
    kept, interval = [], -1
    for time, picture in timed:  # by the words of the definition, one frame after the other
        own = -1 if fps is None else math.floor((time + TICK) * fps)
        first, interval = fps is None or own > interval, max(own, interval)
        if first and time >= (start or 0.0) - TICK and (end is None or time < end - TICK):
            kept.append(picture)
    read = found(lambda: read_all(path, start=start, end=end, fps=fps))
    rngs = [None if seed is None else np.random.default_rng(seed) for _ in range(2)]

    def choose(total: int) -> np.ndarray:
        again = copy.deepcopy(rngs[0])
        return sample_indices(total, num_frames, rng=again)

    sampled = found(lambda: read_chosen(path, choose, start=start, end=end, fps=fps))
    if not kept:
        assert isinstance(read, str)
        assert read == sampled
        return
    np.testing.assert_array_equal(read, np.stack(kept))
    np.testing.assert_array_equal(sampled, np.stack(kept)[sample_indices(len(kept), num_frames, rng=rngs[1])])


@pytest.mark.parametrize("name", ["h264 mp4", "variable rate mkv", "edit list", "joined ts", "29.97 a second"])
def test_a_span_of_a_copy_holds_the_moments_of_the_original(made: Made, tmp_path: Path, name: str) -> None:
    transcode(made.files[name], tmp_path / "copy.mp4", Recipe(fps=3.0, side=64, quality=10))
    for start in np.linspace(0.0, 1.8, 10).tolist():
        spans = [
            found(lambda path=path, start=start: read_all(path, start=start, end=start + 0.5, fps=3.0))
            for path in (made.files[name], tmp_path / "copy.mp4")
        ]
        if isinstance(spans[0], str):
            assert isinstance(spans[1], str)
        else:
            assert barcodes.numbers(spans[0]) == barcodes.numbers(np.asarray(spans[1]))


def test_time_and_not_the_mean_rate_says_what_a_second_holds(made: Made) -> None:
    """25 frames in the first second, five a second after it."""
    path = made.files["variable rate mp4"]
    assert barcodes.numbers(read_all(path, start=1.0, end=2.0)) == [25, 26, 27, 28, 29]
    assert barcodes.numbers(read_all(path, end=3.0, fps=1.0)) == [0, 25, 30]


def test_health_names_every_kind_and_goes_on_where_it_was(made: Made, tmp_path: Path) -> None:
    paths = {name: path.name for name, path in made.files.items()}
    (tmp_path / JOURNAL).write_text('{"path": "torn')
    by_path = {each.path: each for each in examine(made.corpus.parent / "media", [*paths.values()], tmp_path)}
    told = {name: by_path[path] for name, path in paths.items()}
    assert {name for name, each in told.items() if each.reason} == {n for n, kind in KINDS.items() if kind.refused}
    for name, kind in (
        ("turned 90", "rotated"), ("edit list", "edit list"), ("10 bit", "more than 8 bit"), ("joined ts", "spliced"),
        ("variable rate mp4", "variable rate"), ("two streams mkv", "several streams"), ("av1 mkv", "no key frames"),
    ):  # fmt: skip
        assert kind in told[name].kinds
    assert told["h264 mp4"].kinds == []
    assert told["h264 mp4"].frames == 60
    assert told["h264 mp4"].kept == 8  # of 2.4 s at 3 a second
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media_health, "look", None)  # nothing is looked at twice
        assert len(examine(made.corpus.parent / "media", [*paths.values()], tmp_path)) == len(paths)


def test_no_frame_waits_for_the_collection_of_garbage(made: Made) -> None:
    """PyAV keeps a frame whose side data were asked for in a cycle; a film's frames would fill the memory."""
    gc.collect()
    gc.disable()
    try:
        for path in (made.files["h264 mp4"], made.files["turned 90"]):
            read_all(path)
            read_chosen(path, lambda total: centres(total, 12))
            media_health.look(path.parent, path.name)
        kept = [each for each in gc.get_objects() if type(each) is av.VideoFrame]
    finally:
        gc.enable()
    assert {(each.width, each.height) for each in kept} == {(16, 16)}  # what the turn was read of


def test_video_is_read_where_decord_is_not(made: Made) -> None:
    path = made.files["h264 mp4"]
    lines = ["import sys", "sys.modules['decord'] = None", "from clipvip.data.media.video import read_all"]
    lines.append(f"print(len(read_all({str(path)!r})), 'decord' in str(sys.modules.get('decord')))")
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["60", "False"]
