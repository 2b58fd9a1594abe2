"""`run.cache` is outside the key: with it and without it one cell has the same ranks, of files that must be turned."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from barcodes import B_FRAMES, ffmpeg, write
from own_videos import write_captions, write_clip

from clipvip.__main__ import main
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import load
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import write_spec

TURNS = (90, 180, 270)
CLIPS, TESTS = 14, 10
CODED = 8  # frames


def write_set(root: Path, *, turned: bool) -> None:
    """Barcodes in videos/, marked to be turned or as they are; two test clips come from each film."""
    rows = []
    for number in range(CLIPS):
        name = f"{number:02d}.mp4"
        write(source := root / "coded" / name, *B_FRAMES, count=CODED, first=17 * number)
        (root / "videos").mkdir(exist_ok=True)
        display = ("-display_rotation", TURNS[number % 3]) if turned else ()
        ffmpeg(*display, "-i", source, "-c", "copy", root / "videos" / name)
        split = "test" if number < TESTS else "val" if number < TESTS + 2 else "train"
        rows.append((name, f"number {number} of bars", split, f"film {number // 2}"))
    write_captions(root / "captions.csv", rows, ("path", "text", "split", "source"))
    write_clip(root / "clip", [text for _, text, *_ in rows])


def cell_of(*, cache: bool) -> tuple[Path, Cell]:
    """The folder of results, and the evaluation of the CLIP as it came."""
    own = {"results": f"results_{cache}", "run": {"cache": cache}}
    Path(f"{cache}.yaml").write_text(yaml.safe_dump(own))
    grid = load(["experiments/videos.yaml", f"{cache}.yaml"])
    found = [c for c in grid.cells.values() if c.stage == "evaluate" and "finetune" not in {*_stages(c)}]
    return Path(own["results"]), found[0]


def _stages(cell: Cell) -> list[str]:
    return [cell.stage, *(stage for each in cell.inputs.values() for stage in _stages(each))]


def ranks(results: Path, cell: Cell) -> bytes:
    """Make the cell and what it needs; its ranks."""

    def made(each: Cell) -> Path:
        for other in each.inputs.values():
            made(other)
        return run_spec(write_spec(results, each))

    return (made(cell) / "ranks.parquet").read_bytes()


def evaluated(root: Path, monkeypatch: pytest.MonkeyPatch, *, turned: bool) -> tuple[bytes, bytes]:
    """Ranks of one cell with the frame cache, and without."""
    root.mkdir()
    monkeypatch.chdir(root)
    write_set(root, turned=turned)
    assert main(["init", "videos", "--captions", "captions.csv", "--clip", "clip"]) == 0
    (cached, one), (live, other) = cell_of(cache=True), cell_of(cache=False)
    assert one.name == other.name
    assert ("frames" in one.inputs, "frames" in other.inputs) == (True, False)
    return ranks(cached, one), ranks(live, other)


def test_ranks_with_and_without_the_cache_are_equal_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached, live = evaluated(tmp_path / "turned", monkeypatch, turned=True)
    assert cached == live
    as_coded, _ = evaluated(tmp_path / "coded", monkeypatch, turned=False)
    assert as_coded != cached  # whoever does not turn them has other ranks
    (tmp_path / "ranks.parquet").write_bytes(live)
    rows = pd.read_parquet(tmp_path / "ranks.parquet")
    own = rows[rows["direction"] == "t2v"].set_index("clip_id")["cluster"]
    assert own.to_dict() == {f"{number:02d}.mp4": f"film {number // 2}" for number in range(TESTS)}
