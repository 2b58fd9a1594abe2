"""A results folder with one of each damage: all is found and named, mended where told, and nothing whole is lost."""

import json
import os
import shutil
import sqlite3
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
    assert bool(left) is not mends or all(each.kind == "no receipt" for each in left)
    doctor.mend(left)
    make(root)  # the same command goes on
    assert [state(root, cell) for cell in CELLS] == ["fresh"] * 3
    assert doctor.examine(root) == [] or not mends
    kept = {"unknown file": root / "notes.txt", "in a cell": at(root, world, "mine.txt")}
    assert name not in kept or kept[name].read_text() == "mine"


def test_all_at_once_and_the_exit_codes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("flipped bit", "empty spec", "old work", "cut store", "unknown file"):
        DAMAGE[name][0](root)
    assert main(["doctor", str(root), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {each["kind"] for each in found} == {"damaged", "torn file", "orphan", "damaged store", "unknown file"}
    assert main(["doctor", str(root), "--fix"]) == 0
    make(root)
    assert main(["doctor", str(root)]) == 0, "an unknown file alone is no fault"
    assert (root / "mlflow.db.damaged").is_file(), "nothing is thrown away that may be of use"


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
