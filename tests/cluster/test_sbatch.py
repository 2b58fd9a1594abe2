"""How the jobs of the experiments are submitted: through a real SLURM, which takes or refuses each request."""

from pathlib import Path

import pytest
import yaml
from laboratory import Laboratory
from listings import counts, write
from recorded import Line, submitted
from slurm import Slurm

from clipvip.config.base import read_yaml
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs

ROOT = Path(__file__).parents[2]
PROFILE = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")
ALWAYS = {"--nodes": "1", "--requeue": "", "--signal": "USR1@120"}


def lines(place: Path, data: dict[str, object]) -> dict[str, Line]:
    """The line of each rule that the data-scale study of an experiment needs; the longest where they differ."""
    laboratory = Laboratory(place)
    (place / "own.yaml").write_text(yaml.safe_dump({**data, "results": "results"}))
    jobs = Jobs(Grid({**data, "results": "results", "studies": str(place / "experiments/studies.yaml")}))
    markers = jobs.study_markers(jobs.grid.studies["data_scale"])
    said = submitted(laboratory, *PROFILE, "--configfile", "own.yaml", "--", *markers)
    found: dict[str, Line] = {}
    for line in sorted(said, key=lambda line: int(line.asked()["-t"])):
        found[line.rule] = line
    return found


@pytest.fixture(scope="module")
def paper(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Line]:
    """The lines of the paper's scale with eight GPUs, its corpora as listings."""
    place = tmp_path_factory.mktemp("paper")
    data = read_yaml(ROOT / "experiments/base_32.yaml")
    write(place / "data", counts(0.0005))
    for corpus in data["corpora"].values():
        corpus["root"] = str(place / "data" / corpus["format"])
    data["run"] |= {"gpus": 8, "threads": 128, "memory_mb": 512000, "shards": 3}
    return lines(place / "laboratory", data)


@pytest.mark.slow
def test_training_takes_eight_gpus_of_one_node_for_an_attempt(paper: dict[str, Line]) -> None:
    """Two minutes, with the fixture."""
    eight = {"-p": "gpu", "--mem": "512000", "--gpus": "8", "--cpus-per-gpu": "16", **ALWAYS}
    for rule in ("pretrain", "finetune"):
        assert paper[rule].asked() == {**eight, "-t": "1440"}, rule


@pytest.mark.slow
def test_what_does_not_train_takes_one_gpu_or_none(paper: dict[str, Line]) -> None:
    one = {"-p": "gpu", "--mem": "64000", "--gpus": "1", "--cpus-per-gpu": "16", **ALWAYS}
    none = {"-p": "cpu", "--ntasks": "1", "--cpus-per-task": "1", **ALWAYS}
    assert paper["evaluate"].asked() == {**one, "-t": "240"}
    assert paper["captioner"].asked() == {**one, "-t": "60"}
    assert paper["corpus"].asked() == {**none, "-t": "2880", "--mem": "128000"}


@pytest.mark.slow
def test_shards_are_one_array(paper: dict[str, Line]) -> None:
    shards = paper["caption_shard"]
    assert shards.jobs == 6  # three of each corpus that is captioned
    asked = shards.asked()
    assert (asked["--array"], asked["-t"], asked["--gpus"]) == ("1-6", "1440", "1")


@pytest.mark.slow
def test_the_smoke_grid_asks_for_its_packs_by_their_cells(slurm: Slurm, tmp_path: Path) -> None:
    """A minute."""
    data = read_yaml(ROOT / "experiments/smoke.yaml")
    data["run"] |= {"gpus": 1}
    found = lines(tmp_path / "laboratory", data)
    gpu = {"-p": "gpu", "--mem": "1500", "--gpus": "1", "--cpus-per-gpu": "1", **ALWAYS}
    assert found["prepare"].asked() == {
        "-p": "cpu",
        "--mem": "1500",
        "--ntasks": "1",
        "--cpus-per-task": "1",
        **ALWAYS,
        "-t": "90",
    }  # a world, its corpus, its frames
    assert found["variant"].asked() == {**gpu, "-t": "390"}  # a checkpoint, four fine-tunings, eight evaluations
