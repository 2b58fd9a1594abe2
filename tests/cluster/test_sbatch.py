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

PROFILE = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")
ALWAYS = {"--nodes": "1", "--requeue": "", "--signal": "USR1@120"}


def lines(place: Path, data: dict[str, object]) -> dict[str, Line]:
    """The first line of each rule that the data-scale study of an experiment needs."""
    laboratory = Laboratory(place)
    (place / "own.yaml").write_text(yaml.safe_dump({**data, "results": "results"}))
    jobs = Jobs(Grid({**data, "studies": str(place / "experiments/studies.yaml")}))
    markers = [
        marker.replace(str(jobs.root), "results") for marker in jobs.study_markers(jobs.grid.studies["data_scale"])
    ]
    said = submitted(laboratory, *PROFILE, "--configfile", "own.yaml", "--", *markers)
    found: dict[str, Line] = {}
    for line in said:
        found.setdefault(line.rule, line)
    return found


@pytest.mark.slow
def test_the_paper_s_training_takes_eight_gpus_of_one_node(slurm: Slurm, tmp_path: Path) -> None:
    """30 seconds."""
    data = read_yaml(Path(__file__).parents[2] / "experiments/base_32.yaml")
    write(tmp_path / "data", counts(0.0005))
    for corpus in data["corpora"].values():
        corpus["root"] = str(tmp_path / "data" / corpus["format"])
    data["run"] |= {"gpus": 8, "threads": 128, "memory_mb": 512000, "shards": 3}
    found = lines(tmp_path / "laboratory", data)
    print({rule: (line.jobs, line.asked()) for rule, line in found.items()})
    raise AssertionError
