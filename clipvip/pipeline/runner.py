"""Makes the cell of a spec file."""

import contextlib
import importlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipvip.config.base import Settings, build
from clipvip.config.registry import STAGES
from clipvip.pipeline.cell import lineage_of, stage_fingerprint
from clipvip.pipeline.store import failure_path, folder, receipt, work_folder
from clipvip.runtime import cell_files
from clipvip.runtime.context import Pruned, Run
from clipvip.runtime.files import locked, place, write_whole
from clipvip.runtime.monitor import Usage
from clipvip.runtime.provenance import commit, versions


def settings_of(stage: str, data: Any, where: str) -> Settings:
    """Settings of a stage from plain data."""
    return build(STAGES[stage].settings, data, where)


def read_spec(spec: Path) -> tuple[dict[str, Any], Path, str, str]:
    """The content of a spec file, the results root, and the cell's name and lineage. Inputs must be finished."""
    root, read = spec.parent.parent, json.loads(spec.read_text())
    inputs = {role: _finished(root, other) for role, other in read["inputs"].items()}
    settings = settings_of(read["stage"], read["settings"], str(spec))
    own = stage_fingerprint(read["stage"], settings)
    lineage = lineage_of(own, {role: found["lineage"] for role, found in inputs.items()})
    return read, root, f"{read['stage']}/{spec.stem.split('-')[1]}", lineage


def run_spec(spec: Path, **how: Any) -> Path:
    """Make the cell of a spec file unless it is there and fresh; the folder. Inputs must be finished.

    `how`: fields of `Run` beside `work`.
    """
    read, root, name, lineage = read_spec(spec)
    target, run = folder(root, name), build(Run, {"work": work_folder(root, name, lineage), **how}, "run")
    with locked(root / "locks" / name.replace("/", "-")) if run.rank == 0 else contextlib.nullcontext():
        if run.rank == 0:
            for left in target.parent.glob(f".{target.name}-*"):  # of a killed run; the lock is ours
                shutil.rmtree(left)
        found = receipt(root, name)
        if run.agree(found is not None and found["lineage"] == lineage):
            return target
        run.work.mkdir(parents=True, exist_ok=True)
        try:
            if run.rank == 0 or STAGES[read["stage"]].shared:
                _make(root, name, read, lineage, target, run)
            run.agree(True)  # the cell is there
        except Pruned:
            _forget(target, run)
            raise
        except Exception as error:
            said = {"reason": str(error) or repr(error), "trace": traceback.format_exc()}
            write_whole(failure_path(root, name), json.dumps(said))
            raise
    return target


def _forget(target: Path, run: Run) -> None:
    """Remove what an unfinished cell has left, its state for resuming too."""
    for left in [run.work, *target.parent.glob(f".{target.name}-*")]:
        shutil.rmtree(left, ignore_errors=True)


def _make(root: Path, name: str, read: dict[str, Any], lineage: str, target: Path, run: Run) -> None:
    beside = target.with_name(f".{target.name}-{run.rank}-{os.getpid()}")
    _write(root, name, read, lineage, beside, run)
    if run.rank > 0:
        shutil.rmtree(beside)
        return
    if target.exists():
        shutil.rmtree(target)
    place(beside, target)
    failure_path(root, name).unlink(missing_ok=True)
    shutil.rmtree(run.work, ignore_errors=True)


@contextlib.contextmanager
def made_beside(root: Path, name: str, read: dict[str, Any], **how: Any) -> Iterator[Path]:
    """A finished cell made once more in a folder beside, from the inputs as they lie; it goes again with its work.

    Beside, because a cell names its inputs by where they lie from it.
    """
    target = folder(root, name)
    beside = target.with_name(f".{target.name}-again-{os.getpid()}")
    run = build(Run, {"work": beside.with_name(f"{beside.name}-work"), **how}, "run")
    try:
        run.work.mkdir()
        _write(root, name, read, "", beside, run)
        yield beside
    finally:
        for left in (beside, run.work):
            shutil.rmtree(left, ignore_errors=True)


def _write(root: Path, name: str, read: dict[str, Any], lineage: str, out: Path, run: Run) -> None:
    """Everything that a cell's folder holds."""
    started, clock = datetime.now(UTC), time.perf_counter()
    settings = settings_of(read["stage"], read["settings"], f"specs of {name}")
    out.mkdir(parents=True)
    stage = STAGES[read["stage"]]
    make = getattr(importlib.import_module(stage.module), stage.make.split(":")[1])
    inputs = {role: folder(root, other) for role, other in read["inputs"].items()}
    with Usage(out / cell_files.SYSTEM):
        facts = make(settings, inputs, out, run)
    own = {
        "stage": read["stage"],
        "key": name.split("/")[1],
        "status": "finished",
        "fingerprint": stage_fingerprint(read["stage"], settings),
        "lineage": lineage,
        "inputs": read["inputs"],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 2),
        "versions": versions(),
        "commit": commit(),
    }
    config = {"stage": read["stage"], "settings": read["settings"], "inputs": read["inputs"]}
    write_whole(out / cell_files.CONFIG, json.dumps(config, indent=1) + "\n")
    write_whole(out / cell_files.RECEIPT, json.dumps({**facts, **own}, indent=1) + "\n")


def _finished(root: Path, name: str) -> dict[str, Any]:
    found = receipt(root, name)
    if found is None:
        raise ValueError(f"{folder(root, name)}: this input is not made yet; run its spec first")
    return found


def run_shard(spec: Path, shard: int, num_shards: int, **how: Any) -> None:
    """Caption shard `shard` of `num_shards` and leave it for the cell that merges them, unless that is made."""
    read, root, name, lineage = read_spec(spec)
    if read["stage"] != "captions":
        raise ValueError(f"{spec}: only the captions stage runs in shards, this is {read['stage']}")
    with locked(root / "locks" / f"{name.replace('/', '-')}-{shard}-of-{num_shards}"):
        made = receipt(root, name)
        if made is not None and made["lineage"] == lineage:
            return
        work = work_folder(root, name, lineage)
        work.mkdir(parents=True, exist_ok=True)
        settings = settings_of("captions", read["settings"], str(spec))
        inputs = {role: folder(root, other) for role, other in read["inputs"].items()}
        captions = importlib.import_module(STAGES["captions"].module)
        part = work / f"shard-{shard}-of-{num_shards}.parquet"
        captions.caption_shard(settings, inputs, part, shard, num_shards, build(Run, {"work": work, **how}, "run"))
