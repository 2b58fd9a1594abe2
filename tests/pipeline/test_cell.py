"""A cell is made once, whole or not at all, and knows when it is stale. Real stages, tiny worlds."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipvip.config.base import Settings
from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.pipeline import cell, runner, task
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import failure_path, folder, receipt, state, work_folder, write_spec

WORLD = WorldSettings(part="msrvtt", clips={"train": 6, "test": 6})


def chain() -> tuple[Cell, Cell, Cell]:
    world = Cell("world", WORLD)
    corpus = Cell("corpus", CorpusSettings(format="msrvtt", world=WORLD, holdout=2), {"world": world})
    return world, corpus, Cell("frames", FramesSettings(size=24), {"corpus": corpus})


def other_corpus_code(stage: str, settings: Settings, real: Any = cell.stage_fingerprint) -> str:
    return "0" * 12 if stage == "corpus" else real(stage, settings)


def make(root: Path, *made: Cell) -> None:
    for each in made:
        run_spec(write_spec(root, each))


def test_a_chain_is_made_and_explains_itself(tmp_path: Path) -> None:
    world, corpus, frames = chain()
    make(tmp_path, world, corpus, frames)
    assert [state(tmp_path, cell) for cell in (world, corpus, frames)] == ["fresh"] * 3
    config = json.loads((folder(tmp_path, frames.name) / "config.json").read_text())
    assert config == {"stage": "frames", "settings": frames.settings.model_dump(), "inputs": {"corpus": corpus.name}}
    own = receipt(tmp_path, frames.name)
    assert own is not None
    assert own["lineage"] == frames.lineage
    assert own["key"] == frames.key
    assert own["status"] == "finished"
    assert own["clips"] == 12
    assert not any(path.name.startswith(".") for path in (tmp_path / "cells").rglob("*"))
    assert not list((tmp_path / "work").glob("*"))


def test_a_finished_cell_is_left_alone(tmp_path: Path) -> None:
    world, *_ = chain()
    make(tmp_path, world)
    before = (folder(tmp_path, world.name) / "receipt.json").stat().st_mtime_ns
    make(tmp_path, world)
    assert (folder(tmp_path, world.name) / "receipt.json").stat().st_mtime_ns == before


def test_changed_code_makes_its_cells_and_what_hangs_on_them_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, *chain())
    monkeypatch.setattr(cell, "stage_fingerprint", other_corpus_code)
    world, corpus, frames = chain()
    assert state(tmp_path, world) == "fresh"
    assert state(tmp_path, corpus) == "stale: the code of its stage changed"
    assert state(tmp_path, frames) == "stale: something it is made from changed"
    for module in (runner, task):
        monkeypatch.setattr(module, "stage_fingerprint", other_corpus_code)
    make(tmp_path, corpus, frames)
    assert [state(tmp_path, cell) for cell in (world, corpus, frames)] == ["fresh"] * 3


def test_an_unmade_input_is_named(tmp_path: Path) -> None:
    world, corpus, _ = chain()
    with pytest.raises(ValueError, match=world.name):
        make(tmp_path, corpus)


def test_a_failed_cell_leaves_its_reason_and_no_folder(tmp_path: Path) -> None:
    missing = Cell("corpus", CorpusSettings(format="coco", root=str(tmp_path / "nowhere")))
    with pytest.raises(ValueError, match="nowhere"):
        make(tmp_path, missing)
    assert state(tmp_path, missing).startswith("failed: ")
    assert "nowhere" in state(tmp_path, missing)
    assert not folder(tmp_path, missing.name).exists()


def test_success_forgets_an_earlier_failure(tmp_path: Path) -> None:
    world, *_ = chain()
    path = failure_path(tmp_path, world.name)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"reason": "earlier"}))
    assert state(tmp_path, world) == "failed: earlier"
    make(tmp_path, world)
    assert state(tmp_path, world) == "fresh"
    assert not path.exists()


def test_changed_inputs_or_code_never_resume_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> Path:
        frames = chain()[2]
        return work_folder(tmp_path, frames.name, frames.lineage, made_of)

    made_of: dict[str, str | None] = {"corpus": "of one clip"}
    before = work()
    assert work() == before
    made_of["corpus"] = "of six clips"
    assert work() != before
    made_of["corpus"] = "of one clip"
    monkeypatch.setattr(cell, "stage_fingerprint", other_corpus_code)
    assert work() != before


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path) -> None:
    world, *_ = chain()
    left = folder(tmp_path, world.name).with_name(f".{world.key}-12345")
    left.mkdir(parents=True)
    (left / "half.mp4").write_bytes(b"half")
    make(tmp_path, world)
    assert not left.exists()
