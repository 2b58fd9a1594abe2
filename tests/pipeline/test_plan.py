"""`clipvip plan`: arithmetic against figures worked out by hand, and what it says before there are data."""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from clipvip.__main__ import main
from clipvip.config.base import read_yaml
from clipvip.config.experiment import RunSettings
from clipvip.config.learning import CaptionerSettings, CaptionsSettings, ClipSettings, ModelSettings
from clipvip.pipeline.forecast import rates, schedule, shapes, training, whole
from clipvip.pipeline.forecast.cost import COMPUTE, DECODING, Cost, together
from clipvip.pipeline.forecast.forecast import energy
from clipvip.pipeline.forecast.rates_here import decoding_rate, idle, training_rate

ROOT = Path(__file__).parents[2]
BASE_32 = "experiments/base_32.yaml"
SLOW = {
    "bf16_tflops": 2.0,
    "bandwidth_gb_s": 1e6,
    "memory_gb": 1.0,
    "watts": 100.0,
    "name": "slow",
    "source": "made up",
}


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def slow() -> rates.Rates:
    """A card of 2 TFLOP/s, half of which training reaches, in a host of round figures."""
    table = rates.table_of()
    shares = rates.Shares(training=0.5, inference=0.25, generation=0.1)
    host = table.host.model_copy(update={"core_watts": 5.0, "memory_watts_gb": 0.5, "pue": 1.5})
    return rates.Rates(gpu=rates.Gpu(**SLOW), shares=shares, host=host, said="made up")


def learnt(**change: Any) -> training.Learning:
    config = shapes.clip_config(ClipSettings(source="openai/clip-vit-base-patch32"))
    given: dict[str, Any] = {"config": config, "model": ModelSettings(), "steps": 10.0, "batch": 100, "frames": (12, 1)}
    return training.Learning(**{**given, "texts": (70, 70), "weights": 151_288_833, "decoded": 0.5, **change})


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["plan", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that says why."""
    assert main(["plan", *words]) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("clipvip:")]
    assert said.out == ""
    assert len(lines) == 1
    return lines[0]


def test_a_training_waits_for_the_slowest_of_cards_memory_and_decoders() -> None:
    """1,000 clips: 340.94 GFLOP each at 1 TFLOP/s, or half a second each for one decoder."""
    fast = training.learning(learnt(), RunSettings(workers=4), slow(), 1)
    assert fast.seconds == pytest.approx(340.9, rel=1e-3)
    assert fast.bound == COMPUTE
    assert fast.computing == fast.seconds
    starved = training.learning(learnt(), RunSettings(workers=1), slow(), 1)
    assert (starved.seconds, starved.bound) == (500.0, DECODING)
    alone = training.learning(learnt(), RunSettings(workers=0), slow(), 1)
    assert alone.seconds == pytest.approx(840.9, rel=1e-3)  # nothing reads ahead
    two = training.learning(learnt(), RunSettings(workers=4), slow(), 2)
    assert two.seconds == pytest.approx(170.5, rel=1e-3)


def test_a_gradient_cache_and_recomputing_each_add_a_forward_pass() -> None:
    plain, cached = (training.learning(learnt(), RunSettings(workers=8, micro_batch=m), slow(), 1) for m in (None, 10))
    both = training.learning(learnt(), RunSettings(workers=8, micro_batch=10, recompute=True), slow(), 1)
    assert cached.seconds - plain.seconds == pytest.approx(114.6, rel=1e-3)
    assert both.seconds - cached.seconds == pytest.approx(114.6, rel=1e-3)
    assert cached.gpu_memory_mb < plain.gpu_memory_mb


def test_validation_is_not_read_ahead() -> None:
    """3 looks at 50 clips, 0.2 s of decoding each; the forward passes at 0.5 TFLOP/s come on top."""
    base = training.learning(learnt(), RunSettings(workers=4), slow(), 1)
    found = training.learning(
        learnt(validations=3, validated=50, seen=0.2, tokens=70), RunSettings(workers=4), slow(), 1
    )
    passes = 150 * (96.127e9 + 4.963e9) / 0.5e12
    assert found.seconds - base.seconds == pytest.approx(30 + passes, rel=1e-3)


def test_jobs_share_places_and_wait_for_one_another() -> None:
    """a and b before c; d alone: two places are full until 4, when c begins."""
    seconds = {"a": 3.0, "b": 4.0, "c": 5.0, "d": 1.0}
    needs = {"c": ["a", "b"], "a": ["made before"]}
    assert schedule.finish(seconds, needs, 1) == 13.0
    assert schedule.finish(seconds, needs, 2) == 9.0
    assert schedule.longest(seconds, needs) == 9.0
    with pytest.raises(ValueError, match="circle"):
        schedule.finish({"a": 1.0, "b": 1.0}, {"a": ["b"], "b": ["a"]}, 2)


def test_costs_of_one_process_add_up_and_its_memory_is_the_largest() -> None:
    one = Cost(seconds=2.0, core_seconds=3.0, memory_mb=5.0, disk_mb=7.0, bound=DECODING)
    found = together([one, Cost(seconds=1.0, core_seconds=1.0, memory_mb=9.0, disk_mb=1.0, bound=COMPUTE)])
    assert (found.seconds, found.core_seconds, found.memory_mb, found.disk_mb) == (3, 4, 9, 8)
    assert found.bound == DECODING


def test_energy_is_watts_times_hours_times_pue() -> None:
    assert energy(10.0, 100.0, 40.0, slow()) == pytest.approx((10 * 100 + 100 * 5 + 40 * 0.5) / 1000 * 1.5)


def test_the_papers_grid_before_there_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Against earlier measurements: 92 h a shard, 31 h an epoch of an H100; the loader holds four batches at most."""
    found = planned(capsys, BASE_32, "--gpu", "h100", "--parallel", "8")
    rows = {row["rule"]: row for row in found["rows"]}
    assert rows["pretrain"]["jobs"] == 21
    assert rows["evaluate"]["jobs"] == 100
    assert 11_000 < rows["pretrain"]["longest"]["memory_mb"] < 14_000
    assert 22 < rows["pretrain"]["computing"] / 21 < 31
    assert rows["caption_shard"]["longest"]["seconds"] / 3600 == pytest.approx(92, rel=0.07)
    assert rows["captions"]["longest"]["memory_mb"] < 4_000
    assert rows["pretrain"]["longest"]["seconds"] / 86400 == pytest.approx(100e6 * 0.57 / 12 / 86400, rel=0.01)
    assert rows["pretrain"]["bound"] == DECODING
    assert datetime.fromisoformat(found["ends"]) > datetime.now()
    assert found["whole"]["gpu_hours"] == pytest.approx(sum(row["gpu_hours"] for row in rows.values()))


def test_limits_that_do_not_fit_are_named_with_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    unfit = planned(capsys, BASE_32, "--gpu", "h100")["unfit"]
    assert any("set run.rules.pretrain.minutes" in line and "10,080" in line for line in unfit)
    assert any("set run.rules.gap.memory_mb" in line and "32,000" in line for line in unfit)
    assert not any(line.startswith(("corpus", "evaluate")) for line in unfit)
    small = planned(capsys, BASE_32, "--gpu", "a10")["unfit"]
    assert any("run.micro_batch" in line for line in small)


def test_preparing_first_is_weighed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = planned(capsys, BASE_32, "--gpu", "h100")["saved"]
    assert "clipvip prepare" in saved
    images = tmp_path / "none.yaml"
    corpora = {name: {"seconds": 0} for name in read_yaml(BASE_32)["sizes"]}
    images.write_text(yaml.safe_dump({"sizes": corpora}))
    assert planned(capsys, BASE_32, str(images), "--gpu", "h100")["saved"] == ""


def test_what_ends_after_the_calendar_is_still_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = planned(capsys, BASE_32, "--gpu", "h100", "--size", "narrated_100m=1e+12:1e6:100000x100000")
    assert told["ends"] == "9999-12-31T23:59"
    assert told["seconds"] > 8000 * 365 * 86400


def test_sizes_may_be_flags_and_decide(capsys: pytest.CaptureFixture[str]) -> None:
    whole = planned(capsys, BASE_32, "--gpu", "h100")
    half = planned(capsys, BASE_32, "--gpu", "h100", "--size", "narrated_100m=5e7:13.4:1280x720")
    shards = [next(row for row in found["rows"] if row["rule"] == "caption_shard") for found in (whole, half)]
    webvid = 2.505e6 * 18 * 30 * 596 * 336 / 650e6 * 0.37 / 3600
    difference = shards[0]["core_hours"] - shards[1]["core_hours"]
    assert webvid < difference
    assert difference == pytest.approx(5e7 * (0.57 * 0.37 + 0.01) / 3600, rel=0.05)


def test_a_generated_world_on_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "experiments/smoke.yaml", "--gpu", "a100", "--share", "0.3")
    assert {"prepare", "clip", "variant", "captions", "table"} <= {row["rule"] for row in found["rows"]}
    assert found["rates"]["shares"]["training"] == 0.3


def test_what_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "known: h100" in refused(capsys, BASE_32, "--gpu", "h1000")
    assert "no such file" in refused(capsys, BASE_32, "--gpu", "h100", "--rates", str(tmp_path / "no.yaml"))
    table = tmp_path / "rates.yaml"
    table.write_text("gpus: {mine: {watts: 1}}\n")
    assert main(["plan", BASE_32, "--gpu", "mine", "--rates", str(table)]) == 2
    assert "gpus.mine.name" in capsys.readouterr().err
    text = rates.TABLE.read_text()
    table.write_text(text.replace("bf16_tflops: 989", "bf16_tflops: 1.0e-300"))
    assert main(["plan", BASE_32, "--gpu", "h100", "--rates", str(table)]) == 2
    assert "gpus.h100.bf16_tflops" in capsys.readouterr().err
    assert "did you mean 'webvid'" in refused(capsys, BASE_32, "--gpu", "h100", "--size", "webvit=10")
    assert "is generated" in refused(capsys, "experiments/smoke.yaml", "--gpu", "h100", "--size", "coco=10")
    unsized = tmp_path / "unsized.yaml"
    unsized.write_text(yaml.safe_dump({k: v for k, v in read_yaml(BASE_32).items() if k != "sizes"}))
    assert "--size msrvtt=CLIPS" in refused(capsys, str(unsized), "--gpu", "h100")
    assert "--gpu" in refused(capsys, BASE_32, "--share", "0.5")
    for clips in ("0", "1e300"):
        assert "sizes.webvid.clips.train" in refused(capsys, BASE_32, "--gpu", "h100", "--size", f"webvid={clips}")
    for words in (
        ["--size", "webvid"],
        ["--size", "webvid=1e400"],
        ["--size", f"webvid=1:1:{'9' * 5000}x1"],
        ["--parallel", "0"],
        ["--gpu", "h100", "--share", "2"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(["plan", BASE_32, *words])
        assert ended.value.code == 2
    unknown = tmp_path / "unknown.yaml"
    unknown.write_text(yaml.safe_dump({"clip": {"source": "nobody/knows-this"}}))
    assert "clip.source" in refused(capsys, BASE_32, str(unknown), "--gpu", "h100")


def test_a_captioner_is_as_large_as_its_shape() -> None:
    """GIT-large at 5 beams: 24 layers of 257 tokens, 6 of 277, 20 words over 30,522; per beam."""
    eye = 24 * 257 * (8 * 1024**2 + 4 * 1024 * (4096 + 257))
    told = 6 * 277 * (8 * 1024**2 + 4 * 1024 * (4096 + 277)) + 20 * 2 * 1024 * 30522
    source = CaptionerSettings(source="microsoft/git-large-coco")
    assert shapes.caption_flops(source, CaptionsSettings(max_tokens=20, num_beams=5)) == 5 * (eye + told)
    assert shapes.caption_flops(CaptionerSettings(imported="captions.jsonl"), CaptionsSettings()) == 0


def test_this_machines_rates_are_tried(tmp_path: Path, corpus_inputs: dict[str, Path]) -> None:
    config = shapes.clip_config(ClipSettings(shape={}, corpus="images", optim={"steps": 1}))  # type: ignore[arg-type]
    assert training_rate(config, ModelSettings(num_frames=4), "cpu") > 1e6
    rate = decoding_rate(corpus_inputs["world"], 24)
    assert rate is not None
    assert rate > 0.1
    assert decoding_rate(tmp_path, 24) is None


def test_nothing_is_written(tmp_path: Path) -> None:
    data = {**read_yaml("experiments/smoke.yaml"), "results": str(tmp_path / "results")}
    whole.predicted(data, "h100", None, share=None, parallel=2, tell=print)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_here_is_one_line_with_the_ways_out(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, BASE_32)
    assert "run.device: cuda: torch finds no such device here" in said
    assert "--gpu h100 or " in said
    assert "`run: {device: cpu}`" in said


def test_this_machine_has_rates_before_anything_is_timed() -> None:
    assert idle().gpu.bandwidth_gb_s == math.inf
