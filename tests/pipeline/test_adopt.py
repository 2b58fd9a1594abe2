"""Cells are adopted after a change of code that alters nothing, never after another. Real stages, tiny worlds."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.corpora import reading
from clipvip.corpora.formats import msrvtt
from clipvip.corpora.formats.border import Border
from clipvip.pipeline.adopt import Adoption, adopt
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.same_files import first_difference
from clipvip.pipeline.store import folder, receipt, state, write_spec
from clipvip.runtime import fingerprint, receipts

WORLD = WorldSettings(part="msrvtt", clips={"train": 6, "test": 6})
CODE = ("corpora/formats/msrvtt.py", 'SOURCE = "caption"', 'SOURCE = "cap" + "tion"')  # the same, said otherwise


def chain() -> tuple[Cell, ...]:
    """World, two corpora, the frames of the first: anew, for a cell remembers its code."""
    world = Cell("world", WORLD)
    corpora = [
        Cell("corpus", CorpusSettings(format="msrvtt", world=WORLD, holdout=n), {"world": world}) for n in (2, 3)
    ]
    return world, *corpora, Cell("frames", FramesSettings(size=24), {"corpus": corpora[0]})


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A results root with the chain in it."""
    for cell in chain():
        run_spec(write_spec(tmp_path / "results", cell))
    return tmp_path / "results"


@pytest.fixture
def other_code(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the sources are those with CODE in them."""
    copy = tmp_path / "clipvip"
    shutil.copytree(fingerprint.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / CODE[0]).read_text()
    assert CODE[1] in text
    (copy / CODE[0]).write_text(text.replace(*CODE[1:]))
    monkeypatch.setattr(fingerprint, "PACKAGE", copy)


def states(root: Path) -> list[str]:
    return [state(root, cell).split(":")[0] for cell in chain()]


@pytest.mark.usefixtures("other_code")
def test_what_is_made_the_same_is_adopted_and_says_so(made: Path) -> None:
    assert states(made) == ["fresh", "stale", "stale", "stale"]
    before = {cell.name: receipt(made, cell.name) for cell in chain()}
    assert adopt([Adoption(made, chain())], "said otherwise", {}) == 3
    assert states(made) == ["fresh"] * 4
    world, one, other, frames = chain()
    own = receipt(made, one.name)
    assert own is not None
    (note,) = own["adopted"]
    old = before[one.name]
    assert old is not None
    assert note["from"] == {key: old[key] for key in ("fingerprint", "lineage")}
    assert note["to"] == {"fingerprint": one.fingerprint, "lineage": one.lineage}
    assert note["why"] == "said otherwise"
    assert note["proven_by"] in (one.name, other.name)
    of_frames = receipt(made, frames.name)
    assert of_frames is not None
    assert of_frames["adopted"][0]["proven_by"] is None
    assert receipt(made, world.name) == before[world.name]
    assert not list(made.glob("cells/*/.*"))


@pytest.mark.usefixtures("other_code")
def test_the_quickest_cell_of_a_stage_and_format_is_made_again(made: Path) -> None:
    one, other = chain()[1:3]
    for cell, seconds in ((one, 9.0), (other, 2.0)):
        receipts.write(folder(made, cell.name), {**(receipt(made, cell.name) or {}), "seconds": seconds})
    found = Adoption(made, chain())
    assert [(kind[:2], each.cell.name) for kind, each in found.proofs.items()] == [(("corpus", "msrvtt"), other.name)]
    assert f"{other.name}: made again for proof, 2.0 s last time" in found.listing()
    assert "3 cells to adopt, 0 cannot be" in found.listing()


@pytest.mark.usefixtures("other_code")
def test_a_changed_result_is_refused_with_file_and_place(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [receipt(made, cell.name) for cell in chain()]

    def read(root: Path, settings: CorpusSettings, border: Border) -> Any:
        for clip in msrvtt.read(root, settings, border):
            yield replace(clip, texts=tuple(text.upper() for text in clip.texts))

    monkeypatch.setitem(reading.READERS, "msrvtt", (read, msrvtt.SOURCE))
    with pytest.raises(
        ValueError, match=r"corpus/\w+ is made otherwise .* nothing is adopted: manifest\.parquet: byte"
    ):
        adopt([Adoption(made, chain())], "wrongly", {})
    assert [receipt(made, cell.name) for cell in chain()] == before
    assert not list(made.glob("cells/*/.*"))


@pytest.mark.usefixtures("other_code")
def test_a_cell_whose_input_was_or_would_be_made_again_is_not_adopted(made: Path) -> None:
    world, one, other, frames = chain()
    receipts.write(folder(made, world.name), {**(receipt(made, world.name) or {}), "lineage": "0" * 12})
    found = Adoption(made, chain())
    assert not found.stale
    assert set(found.refused) == {world.name, one.name, other.name, frames.name}
    shutil.rmtree(folder(made, world.name))
    found = Adoption(made, chain())
    assert found.refused[one.name] == f"its input {world.name} has to be made first"
    assert not found.stale


@pytest.mark.usefixtures("other_code")
def test_an_adoption_that_was_cut_short_goes_on(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = Adoption(made, chain())
    half.stale = half.stale[-1:]
    half.write("cut short")
    assert states(made) == ["fresh", "stale", "stale", "fresh"]
    assert adopt([Adoption(made, chain())], "goes on", {}) == 2
    assert states(made) == ["fresh"] * 4


def test_fresh_cells_need_no_adoption(made: Path) -> None:
    assert adopt([Adoption(made, chain())], "nothing", {}) == 0


def test_times_are_no_difference_and_all_else_is(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path, seconds in ((old, 1.0), (new, 2.0)):
        path.mkdir()
        (path / "receipt.json").write_text(
            json.dumps({"clips": 3, "last": {"loss": 0.5, "clips_per_s": seconds}, "started": str(seconds)})
        )
        (path / "history.csv").write_text(f"step,loss,clips_per_s\n1,0.5,{seconds}\n")
        (path / "system.csv").write_text(str(seconds))
        pd.DataFrame({"caption": ["a", "b"], "seconds": seconds}).to_parquet(path / "captions.parquet")
        np.save(path / "x.npy", np.arange(4))
    assert first_difference(old, new) is None
    pd.DataFrame({"caption": ["a", "c"], "seconds": 1.0}).to_parquet(new / "captions.parquet")
    assert first_difference(old, new) == "captions.parquet: row 1 of column caption"
    (new / "captions.parquet").unlink()
    assert first_difference(old, new) == "captions.parquet: only before"
    (old / "captions.parquet").unlink()
    (new / "history.csv").write_text("step,loss,clips_per_s\n1,0.6,1.0\n")
    assert first_difference(old, new) == "history.csv: row 0: loss was '0.5', is '0.6'"
    (new / "history.csv").write_bytes((old / "history.csv").read_bytes())
    np.save(new / "x.npy", np.array([0, 1, 2, 4]))
    assert first_difference(old, new) == "x.npy: byte 152 differs"
    shutil.copy(old / "x.npy", new)
    (new / "receipt.json").write_text('{"clips": 4}')
    assert first_difference(old, new) == "receipt.json: clips was 3, is 4"
    (new / "receipt.json").write_text('{"clips": 3, "last": {"loss": 0.6}}')
    assert first_difference(old, new) == "receipt.json: last.loss was 0.5, is 0.6"
