"""What a row says of speed, by arithmetic; the rate is measured once and draws nothing of the run's."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import OPTIM, parts

from clipvip.config.stages import OBJECTIVES
from clipvip.model import flops
from clipvip.runtime import cell_files, matrix_rate
from clipvip.runtime.context import Run
from clipvip.training import meter
from clipvip.training.loop import fit
from clipvip.training.meter import Meter


def test_every_row_says_how_fast_and_what_share(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[dict[str, Any]] = []
    model, batches = parts(corpus_inputs, tiny_clip_folder)
    run = Run(work=tmp_path, log=lambda _, values: logged.append(values))
    history = fit(model, batches, OBJECTIVES["d"], OPTIM, run, name="test")
    times = ["data_wait_s", "step_s", "clips_per_s", "tokens_per_s", "tflops", "share_of_peak"]
    assert set(times) < cell_files.TIMES
    assert [list(row) for row in history] == [["step", "lr", "loss", "logit_scale", "grad_norm", *times]] * 6
    assert [{"step": row["step"], **values} for row, values in zip(history, logged, strict=True)] == history
    for row in history:
        seconds = row["data_wait_s"] + row["step_s"]
        assert row["clips_per_s"] == pytest.approx(4 / seconds)
        assert 0 < row["share_of_peak"] < 1.5
    last, step = history[-1], batches[5]
    words = int(step.attention_mask.sum())
    work = 4 * flops.training_flops(model.config, model.settings, (4, 1), ())
    work += 8 * 3 * flops.text_flops(model.config, words / 8)
    assert last["tflops"] * (last["data_wait_s"] + last["step_s"]) == pytest.approx(work / 1e12)
    tokens = words + 4 * sum(2 + 9 * frames for frames in (4, 1))  # two proxies, 3 x 3 patches a frame
    assert last["tokens_per_s"] * (last["data_wait_s"] + last["step_s"]) == pytest.approx(tokens)


def test_waiting_for_data_counts(
    corpus_inputs: dict[str, Path], tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that is set: two seconds of waiting and one of work a step."""
    model, batches = parts(corpus_inputs, tiny_clip_folder)
    found = Meter(model, "cpu", None)
    now = [0.0]
    monkeypatch.setattr(meter.time, "perf_counter", lambda: now[0])

    def slow() -> Any:
        for step in range(2):
            now[0] += 2
            yield batches[step]

    for batch in found.timed(slow()):
        now[0] += 1
        found.stepped(batch, 8)  # of two processes
        assert "2.7 clips/s" in found.said()
        assert "data wait 2 s" in found.said()
    row = found.row()
    assert (row["data_wait_s"], row["step_s"], row["clips_per_s"]) == (2, 1, pytest.approx(16 / 6))
    assert "2.7 clips/s" in found.said()  # of the last row, until there is another step


def test_measuring_is_short_done_once_and_draws_nothing() -> None:
    matrix_rate.matrix_rate.cache_clear()
    before, began = torch.get_rng_state(), time.perf_counter()
    rate = matrix_rate.matrix_rate("cpu", torch.float32)
    assert time.perf_counter() - began < 3  # 0.15 s where nothing else runs
    assert rate > 1e9
    assert torch.equal(torch.get_rng_state(), before)
    assert matrix_rate.matrix_rate("cpu", torch.float32) == rate


@pytest.mark.parametrize(("short", "said"), [(0.25e9, "4.0 times slower than in float32"), (4e9, "")])
def test_a_slow_short_format_is_said_aloud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], short: float, said: str
) -> None:
    rates = {torch.float32: 1e9, torch.bfloat16: short}
    monkeypatch.setattr(matrix_rate, "matrix_rate", lambda _, dtype: rates[dtype])
    matrix_rate.say_if_slower.cache_clear()
    for _ in range(2):  # once
        matrix_rate.say_if_slower("cpu", torch.bfloat16)
        matrix_rate.say_if_slower("cpu", torch.float32)
    matrix_rate.say_if_slower.cache_clear()
    out = capsys.readouterr().err
    assert out.count("\n") == bool(said)
    assert said in out
