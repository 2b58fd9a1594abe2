"""What a scheduler says of a job stands as the reason of its cells until they are made."""

from pathlib import Path

import pytest

from clipvip.config.data import CorpusSettings, WorldSettings
from clipvip.corpora.synthetic import world as world_stage
from clipvip.pipeline import verdicts
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import state, write_spec

SETTINGS = WorldSettings(part="msrvtt", clips={"train": 1, "test": 1})


def test_a_verdict_is_of_the_cells_that_are_not_made_and_goes_with_the_next_attempt(tmp_path: Path) -> None:
    world = Cell("world", SETTINGS)
    corpus = Cell("corpus", CorpusSettings(format="msrvtt", world=SETTINGS), {"world": world})
    specs = [write_spec(tmp_path, cell) for cell in (world, corpus)]
    run_spec(specs[0])
    assert verdicts.record(specs, "PREEMPTED", "of node n1") == [corpus.name]
    assert state(tmp_path, world) == "fresh"
    assert state(tmp_path, corpus) == "failed: PREEMPTED: of node n1"
    assert [verdicts.recorded(spec) for spec in specs] == [None, "PREEMPTED"]
    verdicts.withdraw(specs)
    assert state(tmp_path, corpus) == "missing"


def test_a_full_memory_is_told_from_other_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError("of 1 GB")

    cell = Cell("world", SETTINGS)
    spec = write_spec(tmp_path, cell)
    monkeypatch.setattr(world_stage, "make", full)
    with pytest.raises(MemoryError):
        run_spec(spec)
    assert verdicts.recorded(spec) == "OUT_OF_MEMORY"
    assert state(tmp_path, cell) == "failed: OUT_OF_MEMORY: of 1 GB"
    assert verdicts.of_error(ValueError("x")) is None
