"""A captioning shard whose process is killed in the middle."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
from caption_files import CAPTIONS, COLOURS, SHAPE, write_corpus

from clipvip import captioner, small_captioner
from clipvip.captioner import Captioner, caption_shard
from clipvip.run import Run


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """72 images, and a captioner of random weights."""
    processor = small_captioner.make_processor([f"a {colour} picture" for colour in COLOURS], SHAPE)
    torch.manual_seed(1)
    Captioner(processor, small_captioner.make_model(SHAPE, processor.tokenizer)).save(tmp_path / "captioner/model")
    return {"corpus": write_corpus(tmp_path / "coco", {"train": 72}), "captioner": tmp_path / "captioner"}


def fresh(folder: Path) -> Run:
    folder.mkdir()
    return Run(work=folder)


def test_a_killed_shard_goes_on_where_it_stopped(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed while it writes, by the signal that cannot be caught."""
    monkeypatch.setattr(captioner, "BATCH", 4)
    monkeypatch.setattr(captioner, "PART", 8)
    run = fresh(tmp_path / "whole")
    whole = run.work / "shard-1-of-2.parquet"
    caption_shard(CAPTIONS, inputs, whole, 1, 2, run)
    run = fresh(tmp_path / "killed")
    part = run.work / "shard-1-of-2.parquet"
    read, write = captioner.Clips.centres, captioner._write
    written: list[Path] = []

    def killing(rows: pd.DataFrame, path: Path) -> None:
        if len(written) == 2:
            path.with_suffix(".tmp").write_bytes(b"torn")
            os.kill(os.getpid(), signal.SIGKILL)
        written.append(path)
        write(rows, path)

    monkeypatch.setattr(captioner, "_write", killing)
    child = os.fork()
    if child == 0:
        caption_shard(CAPTIONS, inputs, part, 1, 2, run)
        os._exit(0)  # not reached
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not part.exists()
    seen: list[str] = []
    monkeypatch.setattr(captioner, "_write", write)
    monkeypatch.setattr(captioner.Clips, "centres", lambda *asked: (seen.append(asked[1]), read(*asked))[1])
    caption_shard(CAPTIONS, inputs, part, 1, 2, run)
    assert len(seen) == 36 - 16  # two parts of eight were there
    columns = ["clip_id", "caption", "reason", "model"]
    pd.testing.assert_frame_equal(pd.read_parquet(part)[columns], pd.read_parquet(whole)[columns])
    assert not list((run.work / "parts").iterdir())
