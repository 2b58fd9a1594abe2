"""A query over 20,000 videos: `make bench` prints its time and the memory that the index takes."""

from pathlib import Path

import psutil
import pytest
import torch
from extent import FULL, ROUNDS, SLACK, THREADS
from marks import Mark, Row, missed, table
from measure import clock
from tiny_clip_parts import tiny_tokenizer
from transformers import CLIPConfig, CLIPModel

from clipvip.config.learning import ModelSettings
from clipvip.evaluation.encoder import Encoder
from clipvip.evaluation.search import store
from clipvip.evaluation.search.index import Index, of_text
from clipvip.evaluation.search.store import Contents, File
from clipvip.evaluation.search.stretches import Looks
from clipvip.model.clip_vip import ClipVip

MB = 1e6


def drawn(videos: int, frames: int, dim: int) -> Contents:
    """Unit embeddings of videos of one stretch each."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.nn.functional.normalize(torch.randn(videos, dim, generator=generator), dim=-1)
    each = torch.nn.functional.normalize(torch.randn(videos, frames, dim, generator=generator), dim=-1).half()
    times = torch.arange(frames).float().expand(videos, frames)
    return Contents(tuple(File(f"{i:06d}.mp4", 1, 1, 1) for i in range(videos)), whole, each, times)


def text_tower() -> Encoder:
    """Random weights in the shape of B/32, which is all that a text pays for."""
    tokenizer = tiny_tokenizer()
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    clip = CLIPModel(CLIPConfig(text_config=special, vision_config={"num_hidden_layers": 1}))
    return Encoder(ClipVip.from_clip(clip, ModelSettings(pooling="mean")).eval(), tokenizer)


def milliseconds(index: Index, encoder: Encoder, rounds: int) -> list[float]:
    """From the text to ten videos with their best moments."""
    found = []
    for turn in range(rounds + 1):
        began = clock()
        index.rank(of_text(encoder, f"a red circle grows and then turns blue {turn}"), 10)
        found.append(1000 * (clock() - began))
    return found[1:]


def rows(videos: int, encoder: Encoder, path: Path, rounds: int) -> list[Row]:
    """Written, read in this process, asked."""
    store.write(drawn(videos, 12, 512), path)
    before, began = psutil.Process().memory_info().rss, clock()
    contents = store.read(path)
    index = Index(Path("videos"), contents, Looks(num_frames=12))
    index.rank(of_text(encoder, "water"), 1)
    loading, grown = clock() - began, (psutil.Process().memory_info().rss - before) / MB
    took = sorted(milliseconds(index, encoder, rounds))
    size = contents.nbytes / MB
    return [
        Row(f"search, {videos:,} videos: a query [ms]", took[len(took) // 2], took[0], took[-1], Mark(most=100)),
        Row(f"search, {videos:,} videos: loading [s]", loading, loading, loading),
        Row(f"search, {videos:,} videos: embeddings [MB]", size, size, size, note=f"process grew by {grown:.0f} MB"),
    ]


@pytest.mark.slow
def test_table(tmp_path: Path) -> None:
    torch.set_num_threads(THREADS)
    found = rows(20_000, text_tower(), tmp_path / "a.safetensors", 10 * ROUNDS if FULL else 10)
    print("\n" + table(found, SLACK))
    assert not missed(found, SLACK)


def test_in_the_small(tmp_path: Path) -> None:
    """The benchmark finds what is there: a video's own embedding puts it first."""
    contents = drawn(50, 2, 8)
    store.write(contents, tmp_path / "a.safetensors")
    index = Index(Path("videos"), store.read(tmp_path / "a.safetensors"), Looks(num_frames=2))
    hit = index.rank(contents.stretches[17:18], 1)[0]
    assert hit.path == "000017.mp4"
    assert hit.score == pytest.approx(1.0)
    assert contents.nbytes == 50 * (8 * 4 + 2 * 8 * 2 + 2 * 4)
