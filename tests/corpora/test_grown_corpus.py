"""A corpus that has grown captions only the new clips; its cell is the one that captioning all anew makes."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from caption_files import CAPTIONS, COLOURS, SIDE, trained
from PIL import Image

from clipvip.config.data import CorpusSettings
from clipvip.config.learning import CaptionerSettings
from clipvip.corpora.captions import reuse
from clipvip.corpora.captions.captioner import Captioner
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.runner import made_beside, run_shard, run_spec
from clipvip.pipeline.same_files import first_difference
from clipvip.pipeline.store import folder, receipt, spec_path, state, write_spec

CAPTIONED = "captions.parquet"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner that has learnt three colours; its texts differ from picture to picture."""
    place = tmp_path_factory.mktemp("captioner")
    return trained(place)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures a captioner was shown, a number a call."""
    counts: list[int] = []
    write = Captioner.write

    def counting(self: Captioner, images: Any, settings: Any) -> list[str]:
        counts.append(len(images))
        return write(self, images, settings)

    monkeypatch.setattr(Captioner, "write", counting)
    return counts


def picture(path: Path, number: int) -> None:
    noise = np.random.default_rng(number).normal(list(COLOURS.values())[number % 3], 30, (SIDE, SIDE, 3))
    Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(path)


def fill(data: Path, numbers: list[int]) -> None:
    """A folder corpus of these pictures."""
    data.mkdir(exist_ok=True)
    for number in numbers:
        if not (data / f"{number:03d}.png").exists():
            picture(data / f"{number:03d}.png", number)
    rows = [{"path": f"{number:03d}.png", "text": f"said {number}", "split": "train"} for number in numbers]
    pd.DataFrame(rows).to_csv(data / "annotations.csv", index=False)


def chain(data: Path, model: Path, **changes: Any) -> tuple[Cell, Cell, Cell]:
    corpus = Cell("corpus", CorpusSettings(format="folder", root=str(data)))
    captioner = Cell("captioner", CaptionerSettings(source=str(model)))
    settings = CAPTIONS.model_copy(update=changes)
    return corpus, captioner, Cell("captions", settings, {"corpus": corpus, "captioner": captioner})


def make(root: Path, *cells: Cell) -> dict[str, Any]:
    """Make them, those that are there anew; the receipt of the last."""
    for cell in cells:
        run_spec(write_spec(root, cell))
    return receipt(root, cells[-1].name) or {}


def remake(root: Path, corpus: Cell) -> None:
    (folder(root, corpus.name) / "receipt.json").unlink()
    make(root, corpus)


@pytest.mark.parametrize(("frames", "rows"), [(1, 1 << 16), (3, 1 << 16), (3, 4)])
def test_only_new_clips_are_captioned_and_all_is_as_if_made_anew(
    tmp_path: Path, model: Path, asked: list[int], frames: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse, "ROWS", rows)
    data, root = tmp_path / "data", tmp_path / "results"
    fill(data, list(range(40)))
    cells = chain(data, model, num_frames=frames)
    corpus, _, captions = cells
    first = make(root, *cells)
    assert "reused" not in first
    assert sum(asked) == 40 * frames
    picture(data / "005.png", 1000)  # the same name shows something else
    (data / "007.png").unlink()
    fill(data, [number for number in range(55) if number != 7])
    remake(root, corpus)
    assert state(root, captions).startswith("stale")
    asked.clear()
    grown = make(root, captions)
    assert sum(asked) == 16 * frames, "15 new ones, and the one that changed"
    assert grown["reused"] == {"clips": 38, "from": [captions.name]}
    assert (grown["clips"], state(root, captions)) == (54, "fresh")

    anew = tmp_path / "anew"
    other = make(anew, *cells)
    assert "reused" not in other
    one, two = (folder(each, captions.name) for each in (root, anew))
    assert (one / CAPTIONED).read_bytes() == (two / CAPTIONED).read_bytes()
    assert grown["content"] == other["content"]
    assert first_difference(one, two) is None
    assert pd.read_parquet(one / CAPTIONED)["caption"].nunique() >= 3


def test_a_cell_that_took_over_is_taken_over_from_and_shards_do_too(
    tmp_path: Path, model: Path, asked: list[int]
) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    fill(data, list(range(12)))
    corpus, _, captions = cells = chain(data, model)
    make(root, *cells)
    for count in (20, 30):
        fill(data, list(range(count)))
        remake(root, corpus)
        asked.clear()
        for shard in (0, 1) if count == 30 else ():
            run_shard(spec_path(root, captions), shard, 2)
        found = make(root, captions)
        assert (sum(asked), found["reused"]["clips"]) == ((8, 12) if count == 20 else (10, 20))
    make(tmp_path / "anew", *cells)
    one, two = (folder(each, captions.name) / CAPTIONED for each in (root, tmp_path / "anew"))
    assert one.read_bytes() == two.read_bytes()


def test_another_corpus_with_the_same_clips_takes_over(tmp_path: Path, model: Path, asked: list[int]) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    fill(data, list(range(10)))
    _, _, captions = cells = chain(data, model)
    make(root, *cells)
    asked.clear()
    other = Cell("corpus", CorpusSettings(format="folder", root=str(data), checksums=True))
    found = make(root, other, own := Cell("captions", captions.settings, {**captions.inputs, "corpus": other}))
    assert own.key != captions.key
    assert found["reused"] == {"clips": 10, "from": [captions.name]}
    assert asked == []


def changed(cell: Path, name: str, **values: Any) -> None:
    (cell / name).write_text(json.dumps(json.loads((cell / name).read_text()) | values))


def of_another_captioner(cell: Path) -> None:
    read = json.loads((cell / "receipt.json").read_text())["read"]
    changed(cell, "receipt.json", read=read | {"captioner": "0" * 64})


def flipped(cell: Path) -> None:
    path = cell / "shown.parquet"
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


OLD: dict[str, Callable[[Path], None]] = {
    "unfinished": lambda cell: (cell / "receipt.json").unlink(),
    "other code": lambda cell: changed(cell, "receipt.json", fingerprint="0123456789ab"),
    "results only": lambda cell: changed(cell, "receipt.json", partial=True),
    "other captioner": of_another_captioner,
    "flipped bit": flipped,
    "cut": lambda cell: os.truncate(cell / "shown.parquet", 100),
    "made before": lambda cell: (cell / "shown.parquet").unlink(),
}


@pytest.mark.parametrize("name", OLD)
def test_what_is_in_doubt_is_captioned_anew(tmp_path: Path, model: Path, asked: list[int], name: str) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    fill(data, list(range(6)))
    corpus, _, captions = cells = chain(data, model)
    make(root, *cells)
    OLD[name](folder(root, captions.name))
    fill(data, list(range(8)))
    remake(root, corpus)
    asked.clear()
    assert "reused" not in make(root, captions)
    assert sum(asked) == 8


@pytest.mark.parametrize("change", [{"max_tokens": 7}, {"num_beams": 2}, {"num_frames": 2}])
def test_other_settings_take_nothing_over(
    tmp_path: Path, model: Path, asked: list[int], change: dict[str, int]
) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    fill(data, list(range(4)))
    make(root, *chain(data, model))
    asked.clear()
    assert "reused" not in make(root, *chain(data, model, **change))
    assert sum(asked) == 4 * change.get("num_frames", 1)


def test_a_cell_that_is_made_once_more_to_be_compared_takes_nothing_over(
    tmp_path: Path, model: Path, asked: list[int]
) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    fill(data, list(range(4)))
    _, _, captions = cells = chain(data, model)
    make(root, *cells)
    asked.clear()
    with made_beside(root, captions.name, captions.spec()) as beside:
        assert first_difference(folder(root, captions.name), beside) is None
    assert sum(asked) == 4


def test_what_cannot_be_read_is_tried_again_and_silence_is_taken_over(
    tmp_path: Path, model: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, root = tmp_path / "data", tmp_path / "results"
    fill(data, list(range(30)))
    corpus, _, captions = cells = chain(data, model)
    make(root, corpus)
    whole = (data / "003.png").read_bytes()
    (data / "003.png").write_bytes(b"no image")  # after the corpus was read
    write = Captioner.write

    def silent_once(self: Captioner, images: Any, settings: Any) -> list[str]:
        return ["", *write(self, images, settings)[1:]]

    with monkeypatch.context() as patch:
        patch.setattr(Captioner, "write", silent_once)
        before = make(root, *cells)
    assert (before["captioned"], before["missing"]) == (28, 2)
    (data / "003.png").write_bytes(whole)
    fill(data, list(range(31)))
    remake(root, corpus)
    asked.clear()
    found = make(root, captions)
    assert (sum(asked), found["reused"]["clips"], found["reasons"]) == (2, 29, {"empty caption": 1})
    shown = pq.read_table(folder(root, captions.name) / "shown.parquet").to_pylist()
    assert [row["captions"] for row in shown if row["clip_id"].startswith("000")] == [[None]]
