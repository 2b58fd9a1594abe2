"""What several test files share. Nothing heavy is imported here: a file pays for torch only where it uses it."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """One thread of torch a test process; several processes share the machine."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP folder as transformers writes it. Read-only: copy it to change it."""
    from tiny_clip_parts import write_tiny_clip

    folder = tmp_path_factory.mktemp("tiny_clip")
    write_tiny_clip(folder)
    return folder


@pytest.fixture(scope="session")
def corpus_inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small generated MSR-VTT as its finished cells: world, corpus, frames (24 x 24). Read-only."""
    from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
    from clipvip.pipeline.cell import Cell
    from clipvip.pipeline.runner import run_spec
    from clipvip.pipeline.store import write_spec

    root = tmp_path_factory.mktemp("cells")
    settings = WorldSettings(part="msrvtt", clips={"train": 24, "test": 12})
    world = Cell("world", settings)
    corpus = Cell("corpus", CorpusSettings(format="msrvtt", world=settings, holdout=8), {"world": world})
    frames = Cell("frames", FramesSettings(size=24), {"corpus": corpus})
    return {cell.stage: run_spec(write_spec(root, cell)) for cell in (world, corpus, frames)}
