"""Health of a corpus's videos, each decoded to its end: what is refused, and what a sampler should know of the rest.

`health.csv` has a row a file, `.health.jsonl` beside it is the journal by which a stopped run goes on.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from clipvip.data.media import checksums
from clipvip.data.media.container import container_of
from clipvip.data.media.file_header import VideoError, is_image
from clipvip.data.media.moments import Span
from clipvip.data.media.presented import UPRIGHT, Turns, presented
from clipvip.data.media.transcode import Recipe
from clipvip.data.media.video import count_frames
from clipvip.runtime.files import written
from clipvip.runtime.legible import cell

NAME, JOURNAL = "health.csv", ".health.jsonl"
AHEAD = 4  # files handed to a process before its answer is read
UNEVEN = 0.2  # share by which the steps between frames may differ at a constant rate: containers round
SEVERAL = 30  # frames, above which one key frame is few


@dataclass(frozen=True)
class Health:
    """One file: its content, its frames, what `prepare` would keep of them, its faults and its peculiarities."""

    path: str
    bytes: int
    changed: int  # nanoseconds
    sha256: str = ""
    frames: int = 0
    kept: int = 0
    reason: str = ""  # why it cannot be read
    kinds: list[str] = field(default_factory=list)


def look(root: Path, path: str) -> Health:
    """Decode one file to its end."""
    try:
        stat = (root / path).stat()
    except OSError as error:
        return Health(path, 0, 0, reason=error.strerror or str(error))
    known: dict[str, Any] = {"path": path, "bytes": stat.st_size, "changed": stat.st_mtime_ns}
    try:
        sha256 = checksums.of(root / path).sha256
        if is_image(path):
            return Health(**known, sha256=sha256, frames=count_frames(root / path), kept=1)
        return Health(**known, sha256=sha256, **_decoded(root / path))
    except VideoError as error:
        return Health(**known, reason=error.reason)


def _decoded(path: Path) -> dict[str, Any]:
    container, kinds, times = container_of(path), set[str](), list[float]()
    turn_of = Turns(path)
    for time, frame in presented(container):
        times.append(time)
        kinds |= {"rotated"} if turn_of(frame) != UPRIGHT else set()
        kinds |= {"more than 8 bit"} if frame.format.components[0].bits > 8 else set()
        kinds |= {"damaged frames"} if frame.is_corrupt else set()
    steps = [later - sooner for sooner, later in pairwise(times)]
    told = {
        "variable rate": bool(steps) and max(steps) - min(steps) > max(2e-3, UNEVEN * min(steps)),
        "edit list": container.hidden > 0,
        "spliced": container.splices > 0,
        "no key frames": container.key_packets < 2 and len(times) > SEVERAL,
        "several streams": container.streams > 1,
    }
    kinds |= {kind for kind, there in told.items() if there}
    return {"frames": len(times), "kept": len(Span(fps=Recipe().fps).of(times)), "kinds": sorted(kinds)}


def examine(root: Path, paths: list[str], out: Path, *, processes: int = 1, name: str = "") -> list[Health]:
    """Look at each of `paths` below `root`, those that the journal in `out` knows left out; writes `health.csv`."""
    out.mkdir(parents=True, exist_ok=True)
    done = _read(out / JOURNAL, root)
    left = [path for path in paths if path not in done]
    with open(out / JOURNAL, "a", encoding="utf-8") as journal:
        journal.write("\n")  # what a kill cut short stays a line of its own
        for each in tqdm(_work(root, left, processes), total=len(left), desc=f"decode {name}", unit="file"):
            journal.write(json.dumps(asdict(each)) + "\n")
            journal.flush()
            done[each.path] = each
    found = [done[path] for path in paths]
    with written(out / NAME) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "bytes", "frames", "kept", "sha256", "kinds", "reason"))
        writer.writerows(
            (cell(f.path), f.bytes, f.frames, f.kept, f.sha256, "; ".join(f.kinds), cell(f.reason)) for f in found
        )
    return found


def _work(root: Path, paths: list[str], processes: int) -> Iterator[Health]:
    if processes == 1:
        yield from (look(root, path) for path in paths)
        return
    waiting = iter(paths)
    with ProcessPoolExecutor(processes) as pool:
        running = {pool.submit(look, root, path) for path in islice(waiting, AHEAD * processes)}
        while running:
            finished = next(as_completed(running))
            running.remove(finished)
            yield finished.result()
            running |= {pool.submit(look, root, path) for path in islice(waiting, 1)}


def _read(journal: Path, root: Path) -> dict[str, Health]:
    """What was looked at of files that have not changed since."""
    done: dict[str, Health] = {}
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.is_file() else ():
        if line.endswith("}"):
            each = Health(**json.loads(line))
            file = root / each.path
            if file.is_file() and (file.stat().st_size, file.stat().st_mtime_ns) == (each.bytes, each.changed):
                done[each.path] = each
    return done


def summary(found: list[Health]) -> list[str]:
    """A line a kind, and what `prepare` would leave of the frames."""
    counts = Counter(kind for each in found for kind in each.kinds)
    lines = [f"{count:,} of {len(found):,} files: {kind}" for kind, count in sorted(counts.items())]
    contents = Counter(each.sha256 for each in found if each.sha256)
    copies = sum(count - 1 for count in contents.values())
    lines += [f"{copies:,} of {len(found):,} files: same content as another"] if copies else []
    frames, kept = sum(each.frames for each in found), sum(each.kept for each in found)
    return [*lines, f"prepare would keep {kept:,} of {frames:,} frames" if frames else "no frame can be read"]
