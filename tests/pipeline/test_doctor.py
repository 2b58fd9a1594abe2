"""A results folder with one of each damage: all is found and named, mended where told, and nothing whole is lost."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clipvip.__main__ import main
from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.pipeline import doctor
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, state, write_spec
from clipvip.results.tracking import moved
from clipvip.results.tracking.place import create

WORLD = WorldSettings(part="msrvtt", clips={"train": 6, "test": 6})
CELLS = (
    world := Cell("world", WORLD),
    corpus := Cell("corpus", CorpusSettings(format="msrvtt", world=WORLD, holdout=2), {"world": world}),
    frames := Cell("frames", FramesSettings(size=24), {"corpus": corpus}),
)


def make(root: Path) -> None:
    for cell in CELLS:
        run_spec(write_spec(root, cell))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three finished cells, a plan and a store."""
    root = tmp_path_factory.mktemp("sound") / "results"
    make(root)
    plan = root / "mini" / "studies" / "main" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text("{}")
    create(f"sqlite:///{root}/mlflow.db", root / moved.ARTIFACTS)
    (root / "mlflow.created").touch()
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "results", symlinks=True)
    moved.settle(tmp_path / "results" / "mlflow.db")
    return tmp_path / "results"


def at(root: Path, cell: Cell, name: str) -> Path:
    return folder(root, cell.name) / name


def flip(path: Path) -> None:
    before, held = path.stat(), bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a disk does that forgets


def old(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    os.utime(path, (time.time() - 7200,) * 2)


def two_runs_of_a_cell(root: Path) -> None:
    with sqlite3.connect(root / "mlflow.db") as store:
        for run in ("a" * 32, "b" * 32):
            columns = "run_uuid, experiment_id, lifecycle_stage, status"
            store.execute(f"INSERT INTO runs ({columns}) VALUES (?, 0, 'active', 'FINISHED')", (run,))
            store.execute("INSERT INTO tags (key, value, run_uuid) VALUES ('key', '0123456789ab', ?)", (run,))


def journal(root: Path, text: str) -> None:
    (root / "optuna.journal").write_text(text)


def stale_lock(root: Path) -> None:
    """As a process leaves it that was killed on a disk without locks of the kernel."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (root / "locks/frames-0123456789ab.soft").write_text(f"{dead.pid}\n{socket.gethostname()}\n")


def elsewhere(root: Path) -> None:
    with sqlite3.connect(root / "mlflow.db") as store:
        store.execute("UPDATE experiment_tags SET value = '/elsewhere/mlartifacts' WHERE key = 'artifacts'")


# What is done to the folder -> what is said of it, and whether --fix mends it.
DAMAGE: dict[str, tuple[Callable[[Path], object], str, bool]] = {
    "flipped bit": (lambda root: flip(at(root, corpus, "manifest.parquet")), "damaged: cells/corpus/", True),
    "cut file": (
        lambda root: os.truncate(at(root, frames, "receipt.json").with_name("config.json"), 9),
        "damaged",
        True,
    ),
    "empty receipt": (lambda root: os.truncate(at(root, frames, "receipt.json"), 0), "receipt is empty or cut", True),
    "no receipt": (lambda root: at(root, frames, "receipt.json").unlink(), "no receipt: cells/frames/", True),
    "empty spec": (lambda root: os.truncate(root / "specs" / f"world-{world.key}.json", 0), "torn file: specs/", True),
    "cut failure": (lambda root: old(root / "failed" / f"world-{world.key}.json"), "torn file: failed/", True),
    "cut plan": (lambda root: os.truncate(root / "mini/studies/main/plan.json", 1), "torn file: mini/studies", True),
    "unfinished cell": (lambda root: old(root / "cells/frames/.0123456789ab-0-999999/x.npy"), "orphan: cells/", True),
    "old work": (lambda root: old(root / "work/0123456789ab-0123456789ab/step.pt"), "orphan: work/", True),
    "half a file": (lambda root: old(root / "mini/.999999-999999-table.csv"), "orphan: mini/.999999", True),
    "lost store": (lambda root: (root / "mlflow.db").unlink(), "lost store: mlflow.db", True),
    "cut store": (lambda root: os.truncate(root / "mlflow.db", 5000), "damaged store: mlflow.db", True),
    "empty store": (lambda root: os.truncate(root / "mlflow.db", 0), "damaged store: mlflow.db: it is empty", True),
    "cut sweeps": (lambda root: old(root / "optuna.db"), "damaged store: optuna.db", True),
    "cut journal": (
        lambda root: journal(root, '{"op_code": 0}\n{"op_co'),
        "torn file: optuna.journal: line 2, its last",
        True,
    ),
    "journal of rubbish": (
        lambda root: journal(root, '{"op_code": 0}\nrubbish\n{"op_code": 1}\n'),
        "damaged store: optuna.journal: line 2 is no entry",
        True,
    ),
    "stale lock": (stale_lock, "stale lock: locks/frames-0123456789ab.soft: the lock of process", True),
    "cut list": (lambda root: old(root / "mini/jobs.json"), "torn file: mini/jobs.json: the list of a workflow", True),
    "cut links": (
        lambda root: old(root / "mini/studies/main/mlflow.json"),
        "torn file: mini/studies/main/ml",
        True,
    ),
    "absolute path": (elsewhere, "absolute path: mlflow.db: points to /elsewhere/mlartifacts", True),
    "doubled run": (two_runs_of_a_cell, "doubled run: mlflow.db: 2 runs of cell 0123456789ab", False),
    "unknown file": (lambda root: (root / "notes.txt").write_text("mine"), "unknown file: notes.txt", False),
    "in a cell": (lambda root: at(root, world, "mine.txt").write_text("mine"), "unknown file: cells/world/", False),
}


def test_a_sound_folder_is_called_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(root)]) == 0
    assert capsys.readouterr().out == f"{root}: sound\n"


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_found_named_and_mended(root: Path, name: str) -> None:
    do, said, mends = DAMAGE[name]
    do(root)
    found = doctor.examine(root)
    assert said in doctor.listing(found, root)
    assert len(found) == 1, doctor.listing(found, root)
    assert doctor.mend(found) == mends
    left = doctor.examine(root)
    assert (left == []) is mends, "once is enough"
    make(root)  # the same command goes on
    assert [state(root, cell) for cell in CELLS] == ["fresh"] * 3
    assert doctor.examine(root) == [] or not mends
    kept = {"unknown file": root / "notes.txt", "in a cell": at(root, world, "mine.txt")}
    assert name not in kept or kept[name].read_text() == "mine"


ONCE = [name for name in DAMAGE if name not in ("lost store", "cut store", "empty store", "no receipt", "cut journal")]


def test_all_at_once_and_the_exit_codes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every damage in one folder; those of one file in turn. The sweeps' journal loses its end, and then its middle."""
    whole = shutil.copytree(root, root.with_name("whole"), symlinks=True)
    for name in ONCE:
        DAMAGE[name][0](root)
    assert main(["doctor", str(root), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    kinds = {each["kind"] for each in found}
    assert kinds == {
        "torn file", "damaged", "orphan", "stale lock", "damaged store", "absolute path", "doubled run", "unknown file"
    }  # fmt: skip
    assert main(["doctor", str(root)]) == 1
    said = capsys.readouterr().out
    hidden = {"cut file", "empty receipt"}  # of one cell: the receipt that is empty is all there is to say
    assert [name for name in ONCE if name not in hidden and DAMAGE[name][1] not in said] == []
    assert said.count("\n") == len(found) + 1, "a line each"
    assert main(["doctor", str(root), "--fix"]) == 1, "two runs of a cell are left to `clipvip track`"
    capsys.readouterr()
    make(root)
    left = {each.kind for each in doctor.examine(root)}
    assert left == {"doubled run", "unknown file"}
    for name, kind in (("cut store", "damaged store"), ("lost store", "lost store"), ("cut journal", "torn file")):
        for made in (root / "mlflow.db.damaged", root / "optuna.journal"):
            made.unlink(missing_ok=True)
        shutil.copy2(whole / "mlflow.db", root / "mlflow.db")
        (root / "mlflow.created").touch()
        moved.settle(root / "mlflow.db")
        DAMAGE[name][0](root)
        assert {each.kind for each in doctor.examine(root)} == {kind, "unknown file"}
        assert main(["doctor", str(root), "--fix"]) == 0
        assert {each.kind for each in doctor.examine(root)} <= {"unknown file"}, "no fault"
    assert main(["doctor", str(root)]) == 0
    assert (root / "optuna.db.damaged").is_file(), "nothing is thrown away that may be of use"
    assert (root / "optuna.journal").read_text() == '{"op_code": 0}\n'
    assert [state(root, cell) for cell in CELLS] == ["fresh"] * 3


def test_locks_of_the_living_and_of_other_machines_are_left(root: Path) -> None:
    for name, holder in (("a", f"{os.getpid()}\n{socket.gethostname()}\n"), ("b", "1\nanother\n"), ("c", "")):
        (root / f"locks/frames-{name}.soft").write_text(holder)
    assert doctor.examine(root) == []


def test_no_results_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"clipvip: {tmp_path}: no results folder")


def test_a_running_cell_is_left_alone(root: Path) -> None:
    from clipvip.runtime.files import locked

    beside = root / "cells" / "frames" / f".{frames.key}-0-{os.getpid()}"
    beside.mkdir()
    with locked(root / "locks" / f"frames-{frames.key}"):
        assert doctor.examine(root) == []
    assert [each.kind for each in doctor.examine(root)] == ["orphan"]
