"""The paper's grid against listings of the real corpora: planned in seconds, each job with what it asks for."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from listings import counts, write

from clipvip.config.base import read_yaml
from clipvip.config.data import CorpusSettings
from clipvip.config.experiment import RunSettings
from clipvip.config.resources import ACCELERATED, OTHER_RULES, all_ask, asks
from clipvip.corpora.formats.border import Border
from clipvip.corpora.reading import READERS
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs

ROOT = Path(__file__).parents[2]
BASE = ROOT / "experiments/base_32.yaml"
ASKED = re.compile(r"^rule (\w+):$.*?^    resources: (.*?)$", flags=re.MULTILINE | re.DOTALL)


def plan(listing: Path, results: Path, config: Path = BASE, run: dict[str, object] | None = None) -> str:
    """What `snakemake -n -p` prints of an experiment whose corpora lie below `listing`, then what each job asks for;
    `run`: changed settings."""
    data = read_yaml(config)
    for corpus in data["corpora"].values():
        if "root" in corpus:
            corpus["root"] = str(listing / corpus["format"])
    own = results / "experiment.yaml"
    own.write_text(yaml.safe_dump({**data, "run": {**data["run"], **(run or {})}, "results": str(results / "results")}))
    command = [str(Path(sys.executable).parent / "snakemake"), "-n", "-p", "--cores", "16"]
    command += ["--logger", "asked", "--configfile", str(own)]
    place = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    path = f"{ROOT / 'tests'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"  # of the plugin
    place |= {"PYTHONPATH": path, "ASKED": str(asked := results / "asked.txt")}
    done = subprocess.run(command, cwd=ROOT, env=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr + asked.read_text()


def resources(printed: str) -> dict[str, dict[str, str]]:
    """What a job of each rule asks for."""
    return {rule: dict(re.findall(r"(\w+)=(\S+?)(?:,|$)", line)) for rule, line in ASKED.findall(printed)}


def found(listing: Path, name: str) -> dict[str, int]:
    """Clips by split that a reader finds in a listing, none of whose records it sets aside."""
    settings = CorpusSettings.model_validate({"format": name, "root": str(listing / name)})
    border = Border()
    clips = set((clip.clip_id, clip.split) for clip in READERS[settings.format][0](listing / name, settings, border))
    assert border.records
    assert border.aside == []
    return dict(Counter(split for _, split in clips))


@pytest.mark.parametrize("name", ["base_32", "smoke"])
def test_each_job_asks_for_gpus_memory_and_time(tmp_path: Path, name: str) -> None:
    config = ROOT / f"experiments/{name}.yaml"
    run = RunSettings.model_validate(read_yaml(config)["run"])
    asked = resources(plan(tmp_path, tmp_path, config))
    assert len(asked) > 10
    assert asked["pretrain" if name == "base_32" else "variant"]["mem_mb"] == str(run.memory_mb)
    for rule in asked.keys() & set(ACCELERATED):
        expected = all_ask(run)[rule]  # type: ignore[index]
        own = {key: int(asked[rule][key]) for key in ("gpu", "mem_mb", "cpus_per_gpu") if key in asked[rule]}
        wanted = {"gpu": expected.gpus, "mem_mb": expected.memory_mb, "cpus_per_gpu": expected.cpus_per_gpu}
        assert own == {key: wanted[key] for key in own}, rule
        packed = rule in ("prepare", "variant", "clip", "captioner") and run.pack
        cells, rest = divmod(int(asked[rule]["runtime"]), expected.runtime)
        assert (cells > 1, rest) == (packed, 0), rule
    assert asked.keys() - set(ACCELERATED) == {"all"}  # which runs nothing


def test_base_32_on_eight_gpus_trains_in_eight_processes_and_does_the_rest_in_one(tmp_path: Path) -> None:
    printed = plan(tmp_path, tmp_path, run={"gpus": 8, "threads": 128, "memory_mb": 512000, "attempt_minutes": 1440})
    commands = re.findall(
        r"^Shell command: .*?clipvip launch (.*?) -- (.*?) 2>&1 \| tee -a", printed, flags=re.MULTILINE
    )
    found: dict[str, set[tuple[str, str]]] = {}
    for flags, command in commands:
        start, specs = re.match(r"(.*?) \S*specs/(\w+)-", command).groups()  # type: ignore[union-attr]
        found.setdefault("caption_shard" if start.endswith("caption-shard") else specs, set()).add((flags, start))
    torchrun = "torchrun --standalone --nproc-per-node 8 --shutdown-timeout 240 -m clipvip run"
    alone = "--gpus 1 --attempt-minutes 1440"
    for stage in ("clip", "pretrain", "finetune"):
        assert found[stage] == {("--gpus 8 --attempt-minutes 1440", torchrun)}, stage
    for stage in ("captioner", "captions", "evaluate"):
        assert found[stage] == {(alone, "clipvip run")}, stage
    assert found["caption_shard"] == {(alone, "clipvip caption-shard")}
    assert found["gap"] == {("--attempt-minutes 1440", "clipvip run")}
    assert found["corpus"] == {("--attempt-minutes 2880", "clipvip run")}  # begins anew in each
    assert len(commands) > 150
    asked = resources(printed)
    assert (asked["pretrain"]["gpu"], asked["evaluate"]["gpu"]) == ("8", "1")
    assert (asked["pretrain"]["runtime"], asked["evaluate"]["runtime"]) == ("1440", "240")
    assert asked["evaluate"]["mem_mb"] == "64000"


def test_every_rule_that_runs_something_asks_under_its_own_name() -> None:
    written = "\n".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk"))
    rules = re.findall(r"^rule (\w+):", written, flags=re.MULTILINE)
    assert sorted(rules) == sorted(OTHER_RULES)
    assert "for rule_name in JOB_RULES:" in written  # those that make cells, in one loop
    for body in re.split(r"^(?=rule )", written, flags=re.MULTILINE)[1:]:
        rule = body.split(":")[0].removeprefix("rule ")
        for key, name in (("mem_mb", "memory_mb"), ("runtime", "(?:runtime|minutes)"), ("gpu", "gpus")):
            assert re.search(rf'{key}=[^=]*ASKS\["{rule}"\]\.{name}\b', body), (rule, key)


def test_a_rule_asks_for_its_own_or_what_is_usual() -> None:
    rules = {"corpus": {"threads": 3}, "pretrain": {"gpus": 8}, "captions": {"gpus": 2}}
    run = RunSettings.model_validate({"threads": 4, "gpus": 2, "attempt_minutes": 20, "rules": rules})
    usual = {"memory_mb": 2000, "minutes": 30, "attempt_minutes": 20}
    assert asks(run, "pretrain").model_dump() == {"threads": 4, "gpus": 8, **usual}
    assert asks(run, "corpus").model_dump() == {"threads": 3, "gpus": 0, **usual}
    assert asks(run, "gap").model_dump() == {"threads": 1, "gpus": 0, **usual}
    assert asks(run, "variant").gpus == 2
    assert asks(run, "evaluate").model_dump() == {"threads": 2, "gpus": 1, **usual, "memory_mb": 1000}  # its part
    assert asks(run, "captions").gpus == 2


def test_a_gpu_by_number_for_several_processes_is_refused() -> None:
    assert RunSettings(device="cuda:1", gpus=1).gpus == 1
    with pytest.raises(ValueError, match="device: cuda:1 is one GPU, but jobs ask for 2; give device: cuda"):
        RunSettings.model_validate({"device": "cuda:1", "rules": {"captions": {"gpus": 2}}})


def test_a_scheduler_is_asked_for_an_attempt() -> None:
    run = RunSettings.model_validate({"minutes": 300, "attempt_minutes": 60, "rules": {"table": {"minutes": 10}}})
    assert [asks(run, rule).runtime for rule in ("pretrain", "table")] == [60, 10]
    assert asks(RunSettings(minutes=300), "pretrain").runtime == 300


def test_the_slurm_profile_sets_options_that_snakemake_has() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    usual = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    help_text = subprocess.run(
        [str(Path(sys.executable).parent / "snakemake"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    known = [key for key in profile if f"--{key}" in help_text]  # tests/cluster runs it with the executor's own options
    assert [key for key in profile if key not in known and not key.startswith("slurm-")] == []
    assert {key: profile[key] for key in usual} == usual
    assert profile["executor"] == "slurm"
    assert profile["retries"] == 0  # or what was cancelled is submitted again
    assert set(profile["slurm-array-jobs"].split(",")) <= set(ACCELERATED)
    assert (ROOT / profile["slurm-partition-config"]).is_file()


def test_a_pack_asks_for_the_time_of_its_cells_and_no_more_than_an_attempt() -> None:
    data = {**read_yaml(ROOT / "experiments/smoke.yaml"), "studies": str(ROOT / "experiments/studies.yaml")}
    for attempt, expected in ((None, 30), (100, 30), (20, 20)):
        run = {**data["run"], "attempt_minutes": attempt}
        jobs = Jobs(Grid({**data, "run": run}))
        for job in jobs.by_id.values():
            assert jobs.minutes(job) == min(len(job.cells) * 30, attempt or 10**6), job.rule
        assert min(jobs.minutes(job) for job in jobs.by_id.values()) == expected


@pytest.mark.parametrize("name", list(counts(1)))
def test_readers_find_in_a_listing_what_was_written(tmp_path: Path, name: str) -> None:
    sizes = {name: counts(0.0005)[name]}
    write(tmp_path, sizes)
    assert found(tmp_path, name) == sizes[name]


@pytest.mark.slow
def test_the_grid_is_planned_in_twenty_seconds_against_the_full_listing(tmp_path: Path) -> None:
    write(tmp_path, counts(1))
    began = time.perf_counter()
    printed = plan(tmp_path, tmp_path)
    seconds = time.perf_counter() - began
    jobs = re.search(r"^total +(\d+)$", printed, flags=re.MULTILINE)
    assert jobs is not None
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) / 1e9
    print(f"\nsnakemake -n of base_32 against {size:.1f} GB of listing: {jobs[1]} jobs in {seconds:.1f} s")
    assert seconds < 20
    for name in ("msrvtt", "didemo", "lsmdc", "activitynet", "coco"):
        assert found(tmp_path, name) == counts(1)[name]
