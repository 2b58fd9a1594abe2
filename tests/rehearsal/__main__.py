"""`make rehearse`: builds models and corpora, runs an experiment under experiments/rehearsal.yaml, says what it took.

python -m rehearsal [--scale base_16] [--target ablate_main] [--resume]       (with tests/ in PYTHONPATH)
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from clipvip.pipeline.grid import Grid, load
from rehearsal import corpora, film, models
from rehearsal.memory import watched

ROOT = Path(__file__).parents[2]
PLACE = Path("data/rehearsal")  # below ROOT, as experiments/rehearsal.yaml has it
MARKS = "marks: 25 minutes and 8 GB with two cores and nothing else running"
TARGETS = {"base_32": "ablate_all", "base_16": "ablate_main"}
CHANGES = {  # of the overlay, whose models are those of B/32
    "base_32": {},
    "base_16": {
        "name": "rehearsal_16",
        "clip": {"source": f"{PLACE}/models/clip_16"},
        "published": {"weights": f"{PLACE}/models/released_16.pt"},
    },
}
GIGABYTES = 0.61  # of a model on the disk
LOGGED = ("main",)  # studies whose fine-tuned models are in MLflow as well


def main() -> int:
    """Exit code of the workflow; 1 where something that it should make is not there."""
    parser = argparse.ArgumentParser(prog="make rehearse", description=__doc__)
    parser.add_argument("--scale", choices=TARGETS, default="base_32", help="the experiment (default: base_32)")
    parser.add_argument("--target", help="of the workflow (default: ablate_all, of base_16 ablate_main)")
    parser.add_argument("--cores", type=int, default=2, help="default: 2")
    parser.add_argument("--resume", action="store_true", help="go on with what an earlier rehearsal made")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    build(arguments.scale)
    files = [f"experiments/{arguments.scale}.yaml", "experiments/rehearsal.yaml"]
    changes, target = CHANGES[arguments.scale], arguments.target or TARGETS[arguments.scale]
    grid = load(files, changes)
    results = Path(grid.experiment.results)
    if not arguments.resume:
        shutil.rmtree(results, ignore_errors=True)
    if (free := shutil.disk_usage(PLACE).free / 1e9) < (needed := disk(grid, target)):
        print(f"rehearse: {PLACE} has {free:.0f} GB free, the models of {target} take {needed:.0f}", file=sys.stderr)
        return 1
    given = [f"{key}={value}".replace("'", "") for key, value in changes.items()]
    command = ["snakemake", "--cores", str(arguments.cores), "--configfile", *files]
    command += [*(["--config", *given] if given else []), "--", target]
    print(" ".join(command), flush=True)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    started = time.monotonic()
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as run, watched(run.pid) as peak:
        code = run.wait()
    minutes = (time.monotonic() - started) / 60
    print(
        f"{target} of {arguments.scale}: {minutes:.1f} minutes; at most {peak.held / 1e9:.2f} GB, in {peak.processes}"
    )
    print(f"processes; {size(results) / 1e9:.1f} GB on the disk ({MARKS})")
    return code or made(grid, target, results)


def build(scale: str) -> None:
    """What the experiment reads, where it is not there yet; each thing is whole or absent."""
    patch = int(scale.removeprefix("base_"))
    parts = {
        PLACE / "models" / f"clip_{patch}": lambda out: models.write_clip(out, patch),
        PLACE / "models" / "git_base": models.write_git,
        PLACE / "models" / f"released_{patch}.pt": lambda out: models.write_released(out, patch),
        PLACE / "corpora": lambda out: corpora.write(out, film.fetch(PLACE / "film")),
    }
    for place, make in parts.items():
        if not place.exists():
            print(f"builds {place}", flush=True)
            beside = place.with_name(f"begun-{place.name}")
            beside.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(beside, ignore_errors=True)
            make(beside)
            beside.rename(place)


def disk(grid: Grid, target: str) -> float:
    """Gigabytes that the models of the target take."""
    studies = [study for name, study in grid.studies.items() if target in ("all", "ablate_all", f"ablate_{name}")]
    cells = {cell.name: cell for study in studies for cell in study.cells()}
    trained = [cell for cell in cells.values() if cell.stage in ("pretrain", "weights", "finetune", "clip")]
    logged = {c.name for s in studies if s.name in LOGGED for c in s.cells() if c.stage == "finetune"}
    return GIGABYTES * (len(trained) + len(logged) + 6)  # and the checkpoints of what is under way


def made(grid: Grid, target: str, results: Path) -> int:
    """Says how many tables, runs and pages there are; 1 where one is missing."""
    wanted = [name for name in grid.studies if target in ("all", "ablate_all", f"ablate_{name}")]
    home = results / grid.experiment.name
    files = [home / "studies" / name / file for name in wanted for file in ("table.csv", "figure.png", "tracked")]
    files += [home / "report.html"] if target in ("all", "ablate_all") else []
    missing = [str(file) for file in files if not file.is_file()]
    with closing(sqlite3.connect(results / "mlflow.db")) as store:
        (runs,) = store.execute("SELECT COUNT(*) FROM runs WHERE lifecycle_stage = 'active'").fetchone()
    print(f"{len(wanted)} studies with table and figure, {runs} runs in MLflow; pages in {home}")
    print("\n".join(f"rehearse: {file} was not made" for file in missing), file=sys.stderr)
    return 1 if missing or not runs else 0


def size(folder: Path) -> int:
    """Bytes of its files, each counted once under however many names."""
    found = (path.stat() for path in folder.rglob("*") if path.is_file())
    return sum({(each.st_dev, each.st_ino): each.st_size for each in found}.values())


if __name__ == "__main__":
    raise SystemExit(main())
