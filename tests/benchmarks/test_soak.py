"""Does reading clips for training grow? 20,000 clips decoded from files, by processes that read ahead, are looked at
with the memory of all processes: it must stay flat from a tenth of the way to the end. `make bench FULL=1` reads all,
`make bench` a tenth, and both write results/soak.json.

A few hundred small videos are read again and again under other names; one in fifty is broken. Pages that these
processes share count once (Linux's proportional set size). Pages of files count nothing: how many others share those of
libraries changes with all that runs on the machine.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from extent import FULL, SLACK
from marks import Mark, Row, machine, missed, table, write
from video_files import write_video

from clipvip.config.data import FramesSettings
from clipvip.data import manifest
from clipvip.data.batches import Batches
from clipvip.data.clips import open_clips
from clipvip.data.loader import stream
from clipvip.data.text_store import Sentences

RESULTS = Path(__file__).parents[2] / "results" / "soak.json"
LINUX = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells what pages are shared")
BROKEN = 50  # one file in so many
FLAT = Mark(most=1.03)
BATCH, WORKERS = 32, 2
WORDS = tuple("a red blue dog cat runs over the hill road and jumps into water while people watch".split())  # noqa: SIM905


@dataclass(frozen=True)
class Soak:
    """How many clips, and how many files they are."""

    clips: int = 20_000 if FULL else 2_000
    files: int = 300
    texts: int = 500  # different ones: a loader keeps tokens of up to 100,000 texts, some 60 MB, which is no leak
    seed: int = 0


def corpus(folder: Path, soak: Soak) -> Path:
    """A corpus cell whose clips share the files."""
    draw = np.random.default_rng(soak.seed)
    for number in range(soak.files):
        side = (64, 96, 128)[number % 3]
        frames = draw.integers(0, 255, (int(draw.integers(12, 60)), side, side, 3), dtype=np.uint8)
        path = write_video(folder / "media" / f"{number:03d}.mp4", frames, fps=10.0, options={"crf": "35"})
        if number % BROKEN == BROKEN - 1:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said = [" ".join(draw.choice(WORDS, int(draw.integers(4, 20)))) for _ in range(soak.texts)]
    rows = {
        "clip_id": [f"clip{number:06d}" for number in range(soak.clips)],
        "path": [f"{number % soak.files:03d}.mp4" for number in range(soak.clips)],
        "text": [said[number % soak.texts] for number in range(soak.clips)],
    }
    same = {"start": None, "end": None, "source": "subtitle", "split": "train"}
    (folder / "corpus").mkdir()
    manifest.write(pd.DataFrame(rows).assign(**same), folder / "corpus", root=folder / "media", format="folder")
    return folder / "corpus"


def held() -> int:
    """Bytes of this process and its children, without pages of files."""
    own = psutil.Process()
    return sum(_own_bytes(process.pid) for process in [own, *own.children(recursive=True)])


def _own_bytes(pid: int) -> int:
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(1024 * int(line[1]) for line in lines if line[0] in ("Pss_Anon:", "Pss_Shmem:"))


def read(folder: Path, soak: Soak) -> list[int]:
    """Bytes that all processes hold, looked at after each hundredth of the clips, from the first batch on."""
    from tiny_clip_parts import tiny_tokenizer

    (work := folder / "work").mkdir()
    inputs = {"corpus": corpus(folder, soak)}
    clip_ids = manifest.clip_ids(inputs["corpus"], split="train")
    Sentences.write(manifest.scan(inputs["corpus"], ["clip_id", "text"], split="train"), clip_ids, work / "texts")
    batches = Batches(
        clips=open_clips(inputs, FramesSettings(size=112), work=work),
        clip_ids=clip_ids,
        texts={"subtitle": Sentences(work / "texts", clip_ids)},
        tokenizer=tiny_tokenizer(),
        num_frames=12,
        max_tokens=70,
        batch_size=BATCH,
        seed=soak.seed,
        with_frame=True,
    )
    every, seen = max(1, len(batches) // 100), []
    for number, batch in enumerate(stream(batches, 0, len(batches), WORKERS)):
        assert batch.video.shape[0] == BATCH
        if number % every == 0:
            seen.append(held())
    return seen


def growth(seen: list[int]) -> Row:
    """The largest mean of a tenth of the way, from the second tenth on, over that of the second: 1 is flat."""
    tenths = [seen[len(seen) * part // 10 : len(seen) * (part + 1) // 10] for part in range(1, 10)]
    means = [statistics.mean(each) for each in tenths]
    rest = [each / means[0] for each in seen[len(seen) // 10 :]]
    note = f"{means[0] / 1e6:.0f} MB at a tenth, {means[-1] / 1e6:.0f} MB at the end, {1 + WORKERS} processes"
    return Row(
        "memory of reading clips, largest against a tenth", max(means) / means[0], min(rest), max(rest), FLAT, note
    )


@LINUX
@pytest.mark.slow  # 20,000 clips: three minutes of a processor; a tenth of them: half of one
def test_table(tmp_path: Path) -> None:
    soak = Soak()
    rows = [growth(read(tmp_path, soak))]
    write(rows, RESULTS, SLACK)
    print(f"\n{soak}, batches of {BATCH}\n{table(rows, SLACK)}\n\n{machine()}\n{RESULTS}")
    assert not missed(rows, SLACK)


@LINUX
def test_a_few_clips_are_looked_at(tmp_path: Path) -> None:
    seen = read(tmp_path, Soak(clips=640, files=50))
    assert len(seen) == 20
    assert min(seen) > 50e6


def test_what_grows_misses_the_mark() -> None:
    assert missed([growth([1000 + 10 * n for n in range(100)])], 0.0)
    assert missed([growth([1000] * 60 + [1100] * 40)], 0.0)
    assert not missed([growth([500] * 10 + [1000, 1010] * 45)], 0.0)
