"""Disks that are full or may only be read: one line that names file and fix, and the same command goes on."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clipvip.__main__ import main
from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import state, write_spec
from clipvip.runtime.monitor import Usage

ROOT = Path(__file__).parents[2]
WORLD = WorldSettings(part="msrvtt", clips={"train": 30, "test": 30})


def mount(*words: str | Path) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine mounts nothing for a test: {done.stderr.strip()}")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", place)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_is_one_line_and_the_same_command_goes_on_once_there_is_room(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = Cell("world", WORLD)
    spec = write_spec(small, world)
    assert main(["run", str(spec)]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"clipvip: {small}")
    assert said.endswith("No space left on device; make room on its disk, then give the same command again")
    assert state(small, world) != "fresh"
    mount("-o", "remount,size=64m", small)
    assert main(["run", str(spec)]) == 0
    assert state(small, world) == "fresh"
    assert not any(path.name.startswith(".") for path in (small / "cells" / "world").iterdir())


def test_a_disk_that_fills_up_ends_the_samples_and_not_the_work(small: Path) -> None:
    with Usage(small / "system.csv"):
        (small / "all of it").write_bytes(b"x" * 200_000)
        with pytest.raises(OSError, match="No space left"):
            (small / "rest").write_bytes(b"x" * 200_000)
        time.sleep(1.5)  # the first sample comes after a second


def test_results_that_may_only_be_read_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held, shown = tmp_path / "held", tmp_path / "shown"
    shown.mkdir()
    world = Cell("world", WORLD)
    corpus = Cell("corpus", CorpusSettings(format="msrvtt", world=WORLD, holdout=2), {"world": world})
    cells = (world, corpus, Cell("frames", FramesSettings(size=24), {"corpus": corpus}))
    for cell in cells:
        run_spec(write_spec(held, cell))
    mount("--bind", held, shown)
    try:
        mount("-o", "remount,bind,ro", shown)
        assert [state(shown, cell) for cell in cells] == ["fresh"] * 3
        smoke = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
        smoke |= {"results": str(shown), "studies": str(ROOT / "experiments/studies.yaml")}
        Jobs(Grid(smoke)).prepare()
        assert capsys.readouterr().err == (
            f"{shown}: Read-only file system; what is there is shown, nothing can be made\n"
        )
        (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(smoke))
        assert main(["cells", str(tmp_path / "smoke.yaml"), "--study", "main"]) == 0
        assert main(["doctor", str(shown)]) == 0
        assert main(["run", str(shown / "specs" / f"world-{world.key}.json")]) == 2
        assert "Read-only file system; its disk is mounted read-only" in capsys.readouterr().err
    finally:
        subprocess.run(["umount", "--lazy", shown], check=True)
