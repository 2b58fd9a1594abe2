"""A cell is remade only for a reason: what one edited line makes stale, counted on the cells of the small world.

`python -m pytest tests/pipeline/test_edits.py -s` prints the table.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipvip.pipeline import cell as cells
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid, load
from clipvip.runtime import fingerprint
from clipvip.runtime.sources import Module, Sources

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Edit:
    """One line of `file` changed, and the cells whose own code it changes; what is made from them is stale too."""

    name: str
    file: str
    old: str
    new: str
    stages: str = ""  # of which all cells, or with `part` those of it
    part: str = ""

    def concerns(self, cell: Cell) -> bool:
        """Whether the cell's own code changed."""
        part = cells.part_of(cell.stage, cell.settings)
        return cell.stage in self.stages.split() and self.part in ("", part)


TEXTS = [
    Edit("error text of a reader", "corpora/formats/msrvtt.py", "is none of", "is not one of"),
    Edit("error text of all readers", "corpora/reading.py", "the annotations name no clip", "no clip is named"),
    Edit("reason of an unreadable file", "data/media/file_header.py", '"empty file"', '"an empty file"'),
    Edit("assertion's text", "corpora/synthetic/world.py", "must fit its own clip", "fits its clip"),
    Edit("names in a message", "data/unreadable.py", "allowed: {short(bad)}", "allowed: {short(bad, most=99)}"),
    Edit("names in a receipt", "corpora/account.py", "NAMED: Shown = 50", "NAMED: Shown = 60"),
    Edit("progress label", "data/frame_cache.py", 'desc="frames", unit="clip"', 'desc="cache", unit="file"'),
    Edit("printed text", "training/loop.py", "goes on at step", "continues at step"),
    Edit("printed figure", "training/loop.py", "figures['loss']:.3f", "figures['loss']:.4f"),
    Edit("a warning", "corpora/formats/border.py", "lines are not UTF-8", "lines are no UTF-8"),
    Edit("a new log line", "model/loss.py", "    losses = [", '    print(f"{len(pairs)} pairs")\n        losses = ['),
    Edit("docstring", "model/loss.py", '"""', '"""Other words. '),
    Edit("comment", "evaluation/ranks.py", "\nimport ", "\n# a comment\nimport "),
    Edit("annotation", "data/frame_cache.py", "def make(settings: FramesSettings", "def make(settings: Any"),
    Edit(
        "new option of a run",
        "runtime/options.py",
        '    device: str = "cpu"',
        '    new: int = 0\n    device: str = "cpu"',
    ),
    Edit(
        "new field of a run's context", "runtime/context.py", "    rank: int = 0", "    new: int = 0\n    rank: int = 0"
    ),
    Edit("columns of the monitor", "runtime/monitor.py", "FIRST, LAST = 1.0, 30.0", "FIRST, LAST = 2.0, 60.0"),
    Edit(
        "a new function nobody calls",
        "data/manifest.py",
        "\nclass ",
        "\ndef unused() -> int:\n    return 1\n\n\nclass ",
    ),
]

LEARNERS = "clip pretrain finetune"
READ_FRAMES = "frames captioner captions clip pretrain finetune evaluate"
RESULTS = [
    Edit("reader of msrvtt", "corpora/formats/msrvtt.py", '"MSRVTT_Videos", "videos"', '"videos"', "corpus", "msrvtt"),
    Edit("reader of didemo", "corpora/formats/didemo.py", "ANNOTATED = 30.0", "ANNOTATED = 25.0", "corpus", "didemo"),
    Edit("reader of tar shards", "corpora/webdataset.py", "HEAD = 1024", "HEAD = 512"),
    Edit(
        "writer of msrvtt",
        "corpora/synthetic/annotations.py",
        "def _msrvtt(",
        "def _msrvtt(*_: object, ",
        "world",
        "msrvtt",
    ),
    Edit("all readers", "corpora/reading.py", "if not cleaned:", "if cleaned:", "corpus"),
    Edit("loss", "model/loss.py", "(there + back) / max", "(there - back) / max", LEARNERS),
    Edit("learning rate", "training/schedule.py", "settings.lr * 0.5", "settings.lr * 0.4", f"captioner {LEARNERS}"),
    Edit("K-means of the gap", "evaluation/language_gap.py", "random_state=seed)", "random_state=seed + 1)", "gap"),
    Edit("ranks", "evaluation/ranks.py", "rows @ columns.T", "-rows @ columns.T", "evaluate"),
    Edit("resize of frames", "data/media/video.py", 'mode="bicubic"', 'mode="bilinear"', READ_FRAMES),
    Edit("a constant", "evaluation/domain_gap_stage.py", "FEWEST = ", "FEWEST = 1 + ", "gap"),
]


def lineages(grid: Grid) -> dict[str, str]:
    """What the code would write into the receipts, by cell."""
    found: dict[str, str] = {}
    for cell in grid.cells.values():  # inputs come first
        inputs = {role: found[other.name] for role, other in cell.inputs.items()}
        found[cell.name] = cells.lineage_of(cells.stage_fingerprint(cell.stage, cell.settings), inputs)
    return found


def edited(edit: Edit, folder: Path) -> Sources:
    """The package with the edit; the files that it leaves alone are not read again."""
    before = (fingerprint.PACKAGE / edit.file).read_text()
    assert edit.old in before
    (folder / "edited.py").write_text(before.replace(edit.old, edit.new, 1))
    sources, name = Sources(fingerprint.PACKAGE), "clipvip." + edit.file.removesuffix(".py").replace("/", ".")
    sources._modules = {**fingerprint._sources(fingerprint.PACKAGE)._modules, name: Module(name, folder / "edited.py")}
    return sources


def with_dependents(grid: Grid, edit: Edit) -> set[str]:
    """The cells that the edit concerns and all that is made from them, frame caches apart: they only save decoding."""
    found: set[str] = set()
    for cell in grid.cells.values():
        inputs = {role: other for role, other in cell.inputs.items() if not cells.unkeyed(role)}
        if edit.concerns(cell) or any(other.name in found for other in inputs.values()):
            found.add(cell.name)
    return found


@pytest.fixture(scope="module")
def grid() -> Grid:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return load([ROOT / "experiments/mini.yaml"])


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[dict[str, str]]:
    """Edit -> its line of the printed table."""
    lines: dict[str, str] = {}
    yield lines
    print("", f"{'edit':<34}{'stale':>6}  by stage", *lines.values(), sep="\n")


@pytest.mark.parametrize("edit", TEXTS + RESULTS, ids=lambda edit: edit.name)
def test_an_edit_makes_stale_what_it_changes_and_nothing_else(
    edit: Edit, grid: Grid, table: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sources = lineages(grid), edited(edit, tmp_path)
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    monkeypatch.setattr(fingerprint, "_sources", lambda _: sources)
    found = {name for name, lineage in lineages(grid).items() if lineage != before[name]}
    stages = Counter(name.split("/")[0] for name in found)
    shown = ", ".join(f"{stage} {count}" for stage, count in stages.items())
    table[edit.name] = f"{edit.name:<34}{len(found):>6}  {shown}"
    assert sorted(found) == sorted(with_dependents(grid, edit))


def test_an_edit_of_no_result_concerns_no_cell(grid: Grid) -> None:
    assert not any(with_dependents(grid, edit) for edit in TEXTS)
    assert len(grid.cells) == 416
