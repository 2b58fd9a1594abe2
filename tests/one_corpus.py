"""A results folder of the smoke experiment with the cells of one corpus."""

from pathlib import Path

import yaml

from clipvip.config.base import read_yaml
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.runner import run_spec
from clipvip.pipeline.store import spec_path

ROOT = Path(__file__).parents[1]


def jobs_at(place: Path) -> Jobs:
    """The smoke experiment with its results at `place`, where its file lies as own.yaml."""
    data = read_yaml(ROOT / "experiments/smoke.yaml")
    data |= {"results": str(place), "studies": str(ROOT / "experiments/studies.yaml")}
    place.mkdir(parents=True, exist_ok=True)
    (place / "own.yaml").write_text(yaml.safe_dump(data))
    return Jobs(Grid(data))


def cells_of_a_corpus(jobs: Jobs) -> list[str]:
    """Names of a corpus's cells, inputs first."""
    frames = next(cell for cell in jobs.grid.cells.values() if cell.stage == "frames")
    corpus = frames.inputs["corpus"]
    return [corpus.inputs["world"].name, corpus.name, frames.name]


def run_them(jobs: Jobs, names: list[str], object_store: str | None = None) -> None:
    """Make these cells, or bring them."""
    jobs.prepare()
    cells = {cell.name: cell for cell in jobs.grid.cells.values()}
    for name in names:
        run_spec(spec_path(jobs.root, cells[name]), object_store=object_store)
