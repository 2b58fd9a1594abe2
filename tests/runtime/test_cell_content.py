"""A finished folder that was altered since: every kind of damage is found and named, a sound copy is not blamed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clipvip.runtime.cell_content import damage, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cell"
    (made / "model").mkdir(parents=True)
    (made / "metrics.json").write_text("{}")
    (made / "history.csv").write_text("step,clips_per_s\n1,20\n")
    (made / "model" / "weights.bin").write_bytes(bytes(range(256)) * 100)
    record(made)
    return made


def flip(path: Path, *, same_time: bool) -> None:
    before, held = path.stat(), bytearray(path.read_bytes())
    held[1000] ^= 4
    path.write_bytes(held)
    if same_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_sound_folder_and_its_copy_are_whole(folder: Path, tmp_path: Path) -> None:
    assert damage(folder) is None
    assert damage(folder, verify=True) is None
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)  # with times of its own
    listed = (copy / "files.csv").read_text()
    assert damage(copy) is None
    assert (copy / "files.csv").read_text() != listed, "remembers the new times"
    assert (copy / "files.csv").read_text().count("\n") == listed.count("\n")
    assert damage(copy, verify=True) is None


@pytest.mark.parametrize("name", ["model/weights.bin"])
def test_a_flipped_bit_is_found_where_the_time_tells_and_else_by_reading_all(folder: Path, name: str) -> None:
    flip(folder / name, same_time=True)
    assert damage(folder) is None, "size and time are the same: the cheap check cannot know"
    assert name in str(damage(folder, verify=True))
    flip(folder / name, same_time=True)  # back
    assert damage(folder, verify=True) is None
    flip(folder / name, same_time=False)
    assert f"{folder / name} was altered" in str(damage(folder))
    assert damage(folder, top_only=True) is None


DAMAGES: dict[str, Callable[[Path], object]] = {
    "weights.bin is gone": lambda folder: (folder / "model/weights.bin").unlink(),
    "weights.bin has 12800 bytes and was made with 25600": lambda folder: os.truncate(
        folder / "model/weights.bin", 12800
    ),
    "metrics.json has 0 bytes": lambda folder: (folder / "metrics.json").write_bytes(b""),
    "files.csv is cut": lambda folder: (folder / "files.csv").write_bytes(b""),
    "files.csv cannot be read": lambda folder: (folder / "files.csv").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_damage_is_named_with_its_file(folder: Path, said: str) -> None:
    DAMAGES[said](folder)
    assert said in str(damage(folder))


def test_the_digest_is_of_the_results_and_not_of_the_clock(folder: Path) -> None:
    before = record(folder)
    (folder / "history.csv").write_text("step,clips_per_s\n1,21\n")
    (folder / "system.csv").write_text("second\n")
    assert record(folder) == before
    (folder / "metrics.json").write_text("{ }")
    assert record(folder) != before
    (folder / "metrics.json").rename(folder / "other.json")
    (folder / "other.json").write_text("{}")
    assert record(folder) != before
