"""Cells know what their inputs held: another content makes them stale, damage is laid at the door of its cell."""

import os
from pathlib import Path

import pandas as pd
import pytest

from clipvip.config.data import CorpusSettings, FramesSettings
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder, receipt, state, write_spec


def write(root: Path, *texts: str) -> None:
    """A folder of still images with a caption each, as `folder` reads it."""
    from PIL import Image

    root.mkdir(exist_ok=True)
    for i, _ in enumerate(texts):
        Image.new("RGB", (24, 24), (40 * i, 0, 0)).save(root / f"{i}.png")
    rows = pd.DataFrame({"path": [f"{i}.png" for i in range(len(texts))], "text": texts, "split": "train"})
    rows.to_csv(root / "annotations.csv", index=False)


def chain(data: Path) -> tuple[Cell, Cell]:
    corpus = Cell("corpus", CorpusSettings(format="folder", root=str(data)))
    return corpus, Cell("frames", FramesSettings(size=24), {"corpus": corpus})


def make(root: Path, *cells: Cell) -> None:
    for cell in cells:
        run_spec(write_spec(root, cell))


def test_a_corpus_made_anew_with_more_clips_makes_stale_what_read_the_old_one(tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    write(data, "a red dog")
    corpus, frames = chain(data)
    make(root, corpus, frames)
    assert (state(root, corpus), state(root, frames)) == ("fresh", "fresh")
    own = receipt(root, frames.name)
    assert own is not None
    assert own["clips"] == 1
    (folder(root, corpus.name) / "receipt.json").unlink()
    make(root, corpus)
    assert state(root, frames) == "fresh", "the same content again"
    write(data, *(f"dog {i}" for i in range(6)))
    (folder(root, corpus.name) / "receipt.json").unlink()
    make(root, corpus)
    assert state(root, frames) == f"stale: {corpus.name} was made anew since, with other content"
    make(root, frames)
    assert (receipt(root, frames.name) or {})["clips"] == 6
    assert state(root, frames) == "fresh"


def test_damage_is_named_and_its_cell_made_anew_by_the_same_command(tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    write(data, "a red dog", "a blue cat")
    corpus, frames = chain(data)
    make(root, corpus)
    manifest = folder(root, corpus.name) / "manifest.parquet"
    whole = manifest.read_bytes()
    os.truncate(manifest, 100)
    assert state(root, corpus) == f"damaged: {manifest} has 100 bytes and was made with {len(whole)}"
    with pytest.raises(ValueError, match=rf"{manifest} has 100 bytes.*{corpus.name} is made anew"):
        make(root, frames)
    assert state(root, corpus).startswith("failed: damaged: ")
    make(root, corpus, frames)
    assert manifest.read_bytes() == whole
    assert (state(root, corpus), state(root, frames)) == ("fresh", "fresh")


@pytest.mark.parametrize("held", [b"", b'{"stage": "cor', b"[]", b"\xff\xfe", b"{}", b"[" * 100_000])
def test_a_torn_receipt_is_a_missing_cell(tmp_path: Path, held: bytes) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    write(data, "a red dog")
    corpus, _ = chain(data)
    make(root, corpus)
    (folder(root, corpus.name) / "receipt.json").write_bytes(held)
    assert state(root, corpus) == "missing"
    make(root, corpus)
    assert state(root, corpus) == "fresh"


@pytest.mark.parametrize("held", [b"", b'{"stage": "cor', b"[]"])
def test_torn_specs_and_notes_of_failure_are_named(tmp_path: Path, held: bytes) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    write(data, "a red dog")
    corpus, _ = chain(data)
    spec = write_spec(root, corpus)
    spec.write_bytes(held)
    with pytest.raises(ValueError, match=f"{spec}: no spec of a cell"):
        run_spec(spec)
    (root / "failed").mkdir()
    note = root / "failed" / f"corpus-{corpus.key}.json"
    note.write_bytes(held)
    assert state(root, corpus) == f"failed: its note {note} is damaged"
    make(root, corpus)  # writes the spec anew
    assert state(root, corpus) == "fresh"
    assert not note.exists()


def test_the_receipt_names_the_machine(tmp_path: Path) -> None:
    write(tmp_path / "data", "a red dog")
    corpus, _ = chain(tmp_path / "data")
    make(tmp_path / "results", corpus)
    machine = (receipt(tmp_path / "results", corpus.name) or {})["machine"]
    assert machine["processor"]
    assert machine["cores"] >= 1
    assert machine["processes"] == 1
