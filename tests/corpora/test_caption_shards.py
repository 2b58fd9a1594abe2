"""A captioning shard whose process is killed in the middle."""

import os
import signal
import socket
from pathlib import Path

import pandas as pd
import pytest
import torch
from caption_files import CAPTIONS, COLOURS, SHAPE, write_corpus

from clipvip.corpora.captions import captions_stage
from clipvip.corpora.captions.captioner import Captioner
from clipvip.corpora.captions.captions_stage import caption_shard
from clipvip.runtime import distributed
from clipvip.runtime.context import Run
from clipvip.runtime.files import written
from clipvip.training import tiny_captioner


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """72 images, and a captioner of random weights."""
    processor = tiny_captioner.make_processor([f"a {colour} picture" for colour in COLOURS], SHAPE)
    torch.manual_seed(1)
    Captioner(processor, tiny_captioner.make_model(SHAPE, processor.tokenizer)).save(tmp_path / "captioner/model")
    return {"corpus": write_corpus(tmp_path / "coco", {"train": 72}), "captioner": tmp_path / "captioner"}


def fresh(folder: Path) -> Run:
    folder.mkdir()
    return Run(work=folder)


def test_a_killed_shard_goes_on_where_it_stopped(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed while it writes, by the signal that cannot be caught."""
    monkeypatch.setattr(captions_stage, "BATCH", 4)
    monkeypatch.setattr(captions_stage, "PART", 8)
    run = fresh(tmp_path / "whole")
    whole = run.work / "shard-1-of-2.parquet"
    caption_shard(CAPTIONS, inputs, whole, 1, 2, run)
    run = fresh(tmp_path / "killed")
    part = run.work / "shard-1-of-2.parquet"
    read, write = captions_stage.Clips.centres, captions_stage._write
    whole_parts: list[Path] = []

    def killing(rows: pd.DataFrame, path: Path) -> None:
        if len(whole_parts) == 2:
            with written(path) as beside:
                beside.write_bytes(b"torn")
                os.kill(os.getpid(), signal.SIGKILL)
        whole_parts.append(path)
        write(rows, path)

    monkeypatch.setattr(captions_stage, "_write", killing)
    child = os.fork()
    if child == 0:
        caption_shard(CAPTIONS, inputs, part, 1, 2, run)
        os._exit(0)  # not reached
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not part.exists()
    seen: list[str] = []
    monkeypatch.setattr(captions_stage, "_write", write)
    monkeypatch.setattr(captions_stage.Clips, "centres", lambda *asked: (seen.append(asked[1]), read(*asked))[1])
    caption_shard(CAPTIONS, inputs, part, 1, 2, run)
    assert len(seen) == 36 - 16  # two parts of eight were there
    columns = ["clip_id", "caption", "reason", "model"]
    pd.testing.assert_frame_equal(pd.read_parquet(part)[columns], pd.read_parquet(whole)[columns])
    assert not list((run.work / "parts").iterdir())


def several(rank: int, port: int, inputs: dict[str, Path], work: Path) -> None:
    """What each of two processes does of a shard, reading ahead."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    captions_stage.BATCH, captions_stage.PART = 4, 8
    with distributed.joined("cpu"):
        run = Run(work=work, workers=1, rank=rank, agree=distributed.first)
        caption_shard(CAPTIONS, inputs, work / "shard-0-of-1.parquet", 0, 1, run)


def test_two_processes_caption_a_shard_as_one_does(inputs: dict[str, Path], tmp_path: Path) -> None:
    run, both = fresh(tmp_path / "one"), fresh(tmp_path / "two").work
    caption_shard(CAPTIONS, inputs, run.work / "shard-0-of-1.parquet", 0, 1, run)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(several, args=(port, inputs, both), nprocs=2)
    one, two = (
        pd.read_parquet(folder / "shard-0-of-1.parquet").sort_values("clip_id", ignore_index=True)
        for folder in (run.work, both)
    )
    assert len(two) == 72
    pd.testing.assert_frame_equal(two.drop(columns="seconds"), one.drop(columns="seconds"))
    assert not list((both / "parts").iterdir())
