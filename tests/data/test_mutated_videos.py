"""Broken video files: none crashes or hangs a reader, and with recorded sums each one is reported."""

import csv
import math
import multiprocessing
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from barcode_kinds import KINDS
from video_files import ramp, write_video

from clipvip.corpora.media_health import look
from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError, check_header
from clipvip.data.media.video import read_all, read_chosen
from clipvip.data.unreadable import UNREADABLE

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


def rate_that_is_no_number(content: bytearray, draw: np.random.Generator) -> bytes:
    """Eight bytes of the header, where containers keep rates and durations, become a NaN, an infinity or a zero."""
    start = int(draw.integers(4, min(len(content), 600) - 8))
    value = float(draw.choice([math.nan, math.inf, -math.inf, 0.0]))
    content[start : start + 8] = struct.pack(">d", value)
    return bytes(content)


MUTATIONS: tuple[Mutation, ...] = (truncated, zeroed, flipped, another_type, empty)
OF_KINDS: tuple[Mutation, ...] = (truncated, zeroed, flipped, rate_that_is_no_number)


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


def mutate_kinds(folder: Path, each: int) -> list[str]:
    """Files of every kind that is read, `each` broken copies of it; their names."""
    folder.mkdir(exist_ok=True)
    names, draw = [], np.random.default_rng(1)
    for place, (name, kind) in enumerate(KINDS.items()):
        (folder / "sound").mkdir(exist_ok=True)
        kind.make(sound := folder / "sound" / f"{place}.{kind.ending}")
        content = sound.read_bytes()
        for number in range(each if len(content) > 1000 else 0):
            path = folder / f"{name.replace(' ', '_')}.{number}.{kind.ending}"
            path.write_bytes(OF_KINDS[number % len(OF_KINDS)](bytearray(content), draw))
            names.append(path.name)
    return names


def look_at(folder: Path, names: list[str], out: Path) -> None:
    """As `read`, and with what the health report and a live reading with spans ask for."""
    with open(out, "w") as file:
        for name in names:
            looked = look(folder, name)
            try:
                sampled = len(read_chosen(folder / name, lambda total: np.array([0, total // 2]), fps=3.0))
                said = f"{looked.frames} frames, {sampled}"
            except VideoError as error:
                said = error.reason
            file.write(f"{name}: {said}\n".replace("\n", " ").strip() + "\n")
            file.flush()


@pytest.mark.parametrize("each", [4, pytest.param(int(os.environ.get("CLIPVIP_FUZZ", "40")), marks=pytest.mark.slow)])
def test_no_container_crashes_or_hangs(tmp_path: Path, each: int) -> None:
    names, out = mutate_kinds(tmp_path, each), tmp_path / "said.txt"
    out.touch()
    child = multiprocessing.get_context("spawn").Process(target=look_at, args=(tmp_path, names, out))
    child.start()
    known, quiet = 0, 0
    while child.is_alive() and quiet < SECONDS:  # of one file, not of all
        child.join(1.0)
        quiet, known = (quiet + 1 if out.stat().st_size == known else 0), out.stat().st_size
    lines = out.read_text().splitlines()
    if child.is_alive():
        child.kill()
        raise AssertionError(f"hangs at file {len(lines)}: {names[len(lines)]}")
    assert child.exitcode == 0, f"ends with {child.exitcode} at file {len(lines)}: {names[len(lines)]}"
    assert len(lines) == len(names)
    assert 0 < sum("frames," in line for line in lines) < len(lines)
    assert [line for line in lines if re.search(r": [A-Z]\w+Error", line)] == []  # reasons, and not exceptions
    print(f"{len(lines)} files, {sum('frames,' not in line for line in lines)} refused")


@pytest.mark.parametrize("each", [1, pytest.param(15, marks=pytest.mark.slow)])
def test_prepare_makes_or_reports_every_file(tmp_path: Path, each: int) -> None:
    names = mutate_kinds(tmp_path / "in", each)
    shutil.rmtree(tmp_path / "in" / "sound")
    command = [sys.executable, "-m", "clipvip", "prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60 + len(names))
    assert ended.returncode == 3, ended.stderr  # finished, some files were refused
    assert "Traceback" not in ended.stderr
    with open(tmp_path / "out" / UNREADABLE, newline="") as file:
        refused = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    with open(tmp_path / "out" / checksums.NAME, newline="") as file:
        made = {row["path"] for row in csv.DictReader(file)}
    assert made | refused.keys() == set(names)
    assert not made & refused.keys()
    assert [reason for reason in refused.values() if re.search(r"[A-Z]\w+Error", reason)] == []
    print(f"{len(names)} files, {len(refused)} refused")
