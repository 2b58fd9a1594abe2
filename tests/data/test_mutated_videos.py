"""Broken video files: none crashes or hangs a reader, and with recorded sums each one is reported."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from video_files import ramp, write_video

from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError, check_header
from clipvip.data.media.video import read_all, read_chosen

SECONDS = 120  # for all files of a process; one takes some milliseconds
Mutation = Callable[[bytearray, np.random.Generator], bytes]


def truncated(content: bytearray, draw: np.random.Generator) -> bytes:
    return bytes(content[: int(draw.integers(1, len(content)))])


def zeroed(content: bytearray, draw: np.random.Generator) -> bytes:
    written = np.flatnonzero(np.frombuffer(content, dtype=np.uint8)[:-64])
    start = int(draw.choice(written))  # so that there is something to lose
    content[start : start + 64] = bytes(64)
    return bytes(content)


def flipped(content: bytearray, draw: np.random.Generator) -> bytes:
    for place in draw.choice(len(content), int(draw.integers(1, 17)), replace=False):
        content[place] ^= 1 << int(draw.integers(8))
    return bytes(content)


def another_type(content: bytearray, draw: np.random.Generator) -> bytes:
    return draw.choice([b"<html>404</html>", b"\x89PNG\r\n\x1a\n" + bytes(40), b"RIFF" + bytes(40), b"PK\x03\x04"])


def empty(content: bytearray, draw: np.random.Generator) -> bytes:
    return b""


MUTATIONS: tuple[Mutation, ...] = (truncated, zeroed, flipped, another_type, empty)


def make(folder: Path, count: int) -> list[str]:
    """Sound files with their sums recorded, then mutated, each of them; their names."""
    sound = [
        write_video(folder / f"sound{i}.{form}", ramp(12, 32, 64), fps=10.0) for i, form in enumerate(("mp4", "avi"))
    ]
    contents, draw = [path.read_bytes() for path in sound], np.random.default_rng(0)
    sums, names = {}, []
    for number in range(count):
        content = contents[number % 2]
        path = folder / f"{number}{sound[number % 2].suffix}"
        path.write_bytes(content)
        sums[path.name] = checksums.of(path)
        mutated = MUTATIONS[number % len(MUTATIONS)](bytearray(content), draw)
        path.write_bytes(mutated)
        assert mutated != content
        names.append(path.name)
    checksums.write(sums, folder)
    return names


def read(folder: Path, names: list[str], out: Path) -> None:
    """What a training would do with each file; a line a file, so that what it did last is known."""
    with open(out, "w") as file:
        for name in names:
            try:
                check_header(folder / name)
                frames = len(read_all(folder / name))
                read_chosen(folder / name, lambda total: np.array([0, total // 2]))
                said = f"{frames} frames"
            except VideoError as error:
                said = error.reason
            file.write(f"{name}: {said}\n".replace("\n", " ").strip() + "\n")
            file.flush()


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_file_crashes_or_hangs_and_verification_reports_every_one(tmp_path: Path, count: int) -> None:
    names = make(tmp_path, count)
    out = tmp_path / "said.txt"
    child = multiprocessing.get_context("spawn").Process(target=read, args=(tmp_path, names, out))
    child.start()
    child.join(SECONDS)
    lines = out.read_text().splitlines()
    if child.is_alive():
        child.kill()
        raise AssertionError(f"hangs at file {len(lines)}: {names[len(lines)]}")
    assert child.exitcode == 0, f"ends with {child.exitcode} at file {len(lines)}: {names[len(lines)]}"
    assert len(lines) == count
    assert sum("frames" not in line for line in lines) >= 2 * count // 5  # at least those of another type, and empty
    verifier, reported = checksums.Verifier(tmp_path, tmp_path), 0
    for name in names:
        try:
            verifier.check(name)
        except VideoError:
            reported += 1
    assert reported == count
