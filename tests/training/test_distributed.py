"""Two and three real processes against one that holds everything."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from pretrain_cells import pretrain_spec, start
from test_loop import parts
from transformers import AutoTokenizer

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ModelSettings, OptimSettings
from clipvip.config.stages import OBJECTIVES, EvaluateCell
from clipvip.data.clips import open_clips
from clipvip.evaluation import evaluate_stage
from clipvip.evaluation.embedding import embed_clips, embed_texts
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import folder
from clipvip.runtime import distributed
from clipvip.runtime.context import Run
from clipvip.training.loop import State, _step

RATE = 0.1
Inputs = dict[str, Path]


def one_step(inputs: Inputs, clip_folder: Path, micro_batch: int | None) -> dict[str, Any]:
    """A plain gradient step, in double precision, on 11 clips of which some have no caption."""
    model, batches = parts(inputs, clip_folder, batch_size=11)
    own = distributed.share(11, distributed.rank(), distributed.size())
    batch = batches[0]
    batch.present["caption"][torch.tensor([0, 4, 10])] = False
    batch = batch._rows(own)
    model = model.double().train()
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    state = State(model, optimiser, torch.amp.GradScaler("cpu", enabled=False))
    settings = OptimSettings(steps=1, lr=RATE, grad_norm=None)
    figures = _step(state, batch, OBJECTIVES["d"], settings, micro_batch)
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": float(figures["loss"]), "gradients": gradients, "weights": copy.deepcopy(model.state_dict())}


def evaluated(inputs: Inputs, clip_folder: Path, out: Path) -> dict[str, Any]:
    """Embeddings in batches so small that some process has fewer or none, and an evaluation's files."""
    model, _ = parts(inputs, clip_folder)
    clips, tokenizer = open_clips(inputs, FramesSettings(size=24)), AutoTokenizer.from_pretrained(clip_folder)
    split = evaluate_stage.open_split(inputs["corpus"], "train")
    videos = {size: embed_clips(model.eval(), clips, split.clip_ids, 4, batch_size=size) for size in (1, 3, 5, 16, 64)}
    texts = {size: embed_texts(model, tokenizer, split.texts, 77, batch_size=size) for size in (1, 7, 400)}
    cell = out.parent / f"cell-{distributed.rank()}-{distributed.size()}"
    cell.mkdir()
    (cell / "model").symlink_to(clip_folder)
    out.mkdir()
    settings = EvaluateCell(
        model=ModelSettings(num_frames=4), frames=FramesSettings(size=24), num_frames=4, max_tokens=77
    )
    evaluate_stage.make(settings, {"model": cell, **inputs}, out, Run(work=out))
    return {"videos": videos, "texts": texts}


def work(rank: int, ranks: int, inputs: Inputs, clip_folder: Path, out: Path) -> None:
    """All that one of several processes does; what it found goes into a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{out / 'meeting'}", rank=rank, world_size=ranks)
    rows = torch.arange(2.0 * rank * rank).reshape(-1, 2).requires_grad_()  # 0, 1, 4 rows
    whole = distributed.gather(rows)
    (whole * torch.arange(whole.numel()).reshape(whole.shape)).sum().backward()
    found = {
        "gathered": whole.detach(),
        "gradient": rows.grad,
        "flags": distributed.gather_by_role({"a": torch.tensor([rank == 0] * (rank + 1))}),
        "said": distributed.first(7 + rank),
        "step": one_step(inputs, clip_folder, None),
        "micro": one_step(inputs, clip_folder, 2),
        "evaluated": evaluated(inputs, clip_folder, out / f"evaluate-{rank}"),
    }
    torch.save(found, out / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def found(
    request: pytest.FixtureRequest,
    corpus_inputs: Inputs,
    tiny_clip_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, list[dict[str, Any]]]:
    """The folder in which the processes worked, and what each found."""
    out = tmp_path_factory.mktemp(f"of-{request.param}")
    torch.multiprocessing.spawn(
        work, args=(request.param, corpus_inputs, tiny_clip_folder, out), nprocs=request.param, join=True
    )
    return out, [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(request.param)]


Found = tuple[Path, list[dict[str, Any]]]


def test_rows_are_gathered_in_order_and_gradients_go_back(found: Found) -> None:
    each = found[1]
    counts = [rank * rank for rank in range(len(each))]
    whole = torch.cat([torch.arange(2.0 * n).reshape(-1, 2) for n in counts])
    gradients = torch.arange(whole.numel()).reshape(whole.shape).split(counts)
    for rank, own in enumerate(each):
        assert torch.equal(own["gathered"], whole)
        assert torch.equal(own["gradient"], len(each) * gradients[rank])
        assert own["flags"]["a"].tolist() == [r == 0 for r in range(len(each)) for _ in range(r + 1)]
        assert own["said"] == 7


@pytest.mark.parametrize("way", ["step", "micro"])
def test_a_step_is_that_of_one_process_with_the_whole_batch(
    found: Found, corpus_inputs: Inputs, tiny_clip_folder: Path, way: str
) -> None:
    alone = one_step(corpus_inputs, tiny_clip_folder, None)
    for own in (each[way] for each in found[1]):
        assert own["loss"] == pytest.approx(alone["loss"], rel=1e-9)
        for kind in ("gradients", "weights"):
            most = max(float(expected.norm()) for expected in alone[kind].values())  # keys' biases have none but noise
            assert own[kind].keys() == alone[kind].keys()
            for name, expected in alone[kind].items():
                error = (own[kind][name] - expected).norm()
                assert float(error) <= 1e-9 * float(expected.norm()) + 1e-13 * most, (kind, name)
        for name, value in found[1][0][way]["weights"].items():
            assert torch.equal(own["weights"][name], value), name


def test_evaluation_is_that_of_one_process_to_the_last_bit(
    found: Found, corpus_inputs: Inputs, tiny_clip_folder: Path, tmp_path: Path
) -> None:
    alone = evaluated(corpus_inputs, tiny_clip_folder, tmp_path / "evaluate")
    for rank, own in enumerate(each["evaluated"] for each in found[1]):
        for kind, by_size in alone.items():
            for size, expected in by_size.items():
                assert torch.equal(own[kind][size], expected), (kind, size)
        made = found[0] / f"evaluate-{rank}"
        pd.testing.assert_frame_equal(
            pd.read_parquet(made / "ranks.parquet"),
            pd.read_parquet(tmp_path / "evaluate/ranks.parquet"),
            check_exact=True,
        )
        assert (made / "metrics.json").read_text() == (tmp_path / "evaluate/metrics.json").read_text()


@pytest.mark.parametrize(("total", "ranks"), [(7, 2), (10, 4), (3, 5), (0, 2)])
def test_shares_are_even_and_the_whole(total: int, ranks: int) -> None:
    shares = [range(total)[distributed.share(total, rank, ranks)] for rank in range(ranks)]
    assert [row for share in shares for row in share] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_rows_that_processes_read_are_the_batch(corpus_inputs: Inputs, tiny_clip_folder: Path) -> None:
    _, batches = parts(corpus_inputs, tiny_clip_folder, batch_size=7)
    for step in (0, 1, 4):
        whole = batches[step]
        each = [replace(batches, part=(rank, 3))[step] for rank in range(3)]
        assert [len(batch.video) for batch in each] == [2, 2, 3]
        assert torch.equal(torch.cat([batch.video for batch in each]), whole.video)
        tokens = [batch.attention_mask.sum(1).reshape(2, -1) for batch in each]  # by role and clip
        assert torch.equal(torch.cat(tokens, dim=1), whole.attention_mask.sum(1).reshape(2, -1))
    with pytest.raises(ValueError, match="8 processes cannot share a batch of 7"):
        replace(batches, part=(0, 8))


def test_a_numbered_gpu_for_several_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="give --device cuda"), distributed.joined("cuda:0"):
        pass


def test_torchrun_makes_the_cell_of_one_process(tiny_clip_folder: Path, tmp_path: Path) -> None:
    spec = pretrain_spec(tmp_path / "one", tiny_clip_folder, steps=4, batch_size=7)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    process = start("run", tmp_path / "two/specs" / spec.name, "--micro-batch", "2", processes=2)
    run_spec(spec)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    name = f"pretrain/{spec.stem.split('-')[1]}"
    one, two = (pd.read_csv(folder(tmp_path / root, name) / "history.csv") for root in ("one", "two"))
    for column in ("step", "loss", "grad_norm", "logit_scale"):
        np.testing.assert_allclose(two[column], one[column], rtol=1e-3, err_msg=column)
    receipts = [json.loads((folder(tmp_path / root, name) / "receipt.json").read_text()) for root in ("one", "two")]
    assert receipts[0]["lineage"] == receipts[1]["lineage"]
    assert [path.name for path in folder(tmp_path / "two", name).parent.iterdir()] == [name.split("/")[1]]


def test_a_compiled_encoder_makes_the_same_cell(
    tiny_clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced, not translated: that needs a compiler of the machine."""
    spec = pretrain_spec(tmp_path / "plain", tiny_clip_folder, steps=3, batch_size=7)
    shutil.copytree(tmp_path / "plain", tmp_path / "compiled")
    monkeypatch.setenv("TORCH_LOGS", "aot")
    process = start("run", tmp_path / "compiled/specs" / spec.name, "--compile", "aot_eager")
    run_spec(spec)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert "aot" in said
    name = f"pretrain/{spec.stem.split('-')[1]}"
    one, two = (pd.read_csv(folder(tmp_path / root, name) / "history.csv") for root in ("plain", "compiled"))
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-5)
