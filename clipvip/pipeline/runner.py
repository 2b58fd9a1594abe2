"""Makes the cell of a spec file."""

import contextlib
import importlib
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipvip.config.base import build
from clipvip.config.registry import STAGES
from clipvip.pipeline import verdicts
from clipvip.pipeline.cell import stage_fingerprint
from clipvip.pipeline.earlier import earlier
from clipvip.pipeline.object_store import ObjectStore
from clipvip.pipeline.store import failure_path, folder, lock_path
from clipvip.pipeline.task import Task, read_spec, settings_of, task_of
from clipvip.runtime import cell_content, cell_files, receipts
from clipvip.runtime.context import Pruned, Run
from clipvip.runtime.files import locked, place, write_whole
from clipvip.runtime.machine import machine
from clipvip.runtime.memory import keep_freed
from clipvip.runtime.monitor import Usage
from clipvip.runtime.provenance import commit, versions


def run_spec(spec: Path, **how: Any) -> Path:
    """Make the cell of a spec file unless it is there and fresh; the folder. Inputs must be finished.

    `how`: fields of `Run` beside `work`.
    """
    task = read_spec(spec)
    run = build(Run, {"work": task.work, **how}, "run")
    with locked(_lock(task)) if run.rank == 0 else contextlib.nullcontext():
        if run.rank == 0:
            for left in task.target.parent.glob(f".{task.target.name}-*"):  # of a killed run; the lock is ours
                shutil.rmtree(left)
        whole = run.rank == 0 and task.made() and cell_content.damage(task.target, verify=run.verify) is None
        if run.agree(whole or _taken(task, run)):
            if run.rank == 0:
                shutil.rmtree(run.work, ignore_errors=True)  # of a run that was killed right after it was done
            return task.target
        run.work.mkdir(parents=True, exist_ok=True)
        try:
            if run.rank == 0:
                task.check_inputs(verify=run.verify)
            if run.rank == 0 or STAGES[task.stage].shared:
                _make(task, run)
            _given(task, run)
            run.agree(True)  # the cell is there
        except Pruned:
            _forget(task.target, run)
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.filename is None:  # a write that found no room knows no name
                error.filename = str(task.target)
            verdict, reason = verdicts.of_error(error), str(error) or repr(error)
            said = {"reason": f"{verdict}: {reason}" if verdict else reason, "trace": traceback.format_exc()}
            said |= {"verdict": verdict} if verdict else {}
            with contextlib.suppress(OSError):  # nor may there be room for the note
                write_whole(failure_path(task.root, task.name), json.dumps(said))
            raise
    return task.target


def _taken(task: Task, run: Run) -> bool:
    """Whether the object store had the cell; a store that is away, or holds a damaged one, stops nobody."""
    if run.object_store is None or run.rank > 0:
        return False
    try:
        store = ObjectStore(run.object_store)
        try:
            taken = store.take(task.root, task.name, task.lineage, task.inputs)
        except ValueError:
            with contextlib.suppress(OSError):  # where this one may not write: what came to harm is what to tell
                store.forget(task.name)
            raise
    except Exception as error:  # each kind of store has its own
        _say(f"{run.object_store}: {str(error) or type(error).__name__}; {task.name} is made here")
        return False
    if taken:
        _say(f"{task.name} brought from {run.object_store}")
    return taken


def _given(task: Task, run: Run) -> None:
    """Copy a cell that was just made to the object store."""
    if run.object_store is None or run.rank > 0:
        return
    try:
        ObjectStore(run.object_store).give(task.root, task.name)
    except Exception as error:
        said = str(error) or type(error).__name__
        _say(f"{run.object_store}: {said}; {task.name} is not copied: `clipvip push` does it later")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _lock(task: Task, part: str = "") -> Path:
    return lock_path(task.root, f"{task.name}{part}")


def _forget(target: Path, run: Run) -> None:
    """Remove what an unfinished cell has left, its state for resuming too."""
    for left in [run.work, *target.parent.glob(f".{target.name}-*")]:
        shutil.rmtree(left, ignore_errors=True)


def _make(task: Task, run: Run) -> None:
    target = task.target
    beside = target.with_name(f".{target.name}-{run.rank}-{os.getpid()}")
    _write(task, beside, run.model_copy(update={"earlier": earlier(task, verify=run.verify)}))
    if run.rank > 0:
        shutil.rmtree(beside)
        return
    if target.exists():
        shutil.rmtree(target)
    place(beside, target)
    failure_path(task.root, task.name).unlink(missing_ok=True)
    shutil.rmtree(run.work, ignore_errors=True)


@contextlib.contextmanager
def made_beside(root: Path, name: str, read: dict[str, Any], **how: Any) -> Iterator[Path]:
    """A finished cell made once more in a folder beside, from the inputs as they lie; it goes again with its work.

    Beside, because a cell names its inputs by where they lie from it.
    """
    task = task_of(root, name, read)
    target = task.target
    beside = target.with_name(f".{target.name}-again-{os.getpid()}")
    run = build(Run, {"work": beside.with_name(f"{beside.name}-work"), **how}, "run")
    try:
        run.work.mkdir()
        _write(task, beside, run)
        yield beside
    finally:
        for left in (beside, run.work):
            shutil.rmtree(left, ignore_errors=True)


def _write(task: Task, out: Path, run: Run) -> None:
    """Everything that a cell's folder holds."""
    started, clock = datetime.now(UTC), time.perf_counter()
    settings = settings_of(task.stage, task.settings, f"specs of {task.name}")
    out.mkdir(parents=True)
    stage = STAGES[task.stage]
    make = getattr(importlib.import_module(stage.module), stage.make.split(":")[1])
    inputs = {role: folder(task.root, other) for role, other in task.inputs.items()}
    keep_freed()
    with Usage(out / cell_files.SYSTEM):
        facts = make(settings, inputs, out, run)
    config = {"stage": task.stage, "settings": task.settings, "inputs": task.inputs}
    write_whole(out / cell_files.CONFIG, json.dumps(config, indent=1) + "\n")
    own = {
        "stage": task.stage,
        "key": task.name.split("/")[1],
        "status": "finished",
        "fingerprint": stage_fingerprint(task.stage, settings),
        "lineage": task.lineage,
        "inputs": task.inputs,
        "read": task.made_of,
        "content": cell_content.record(out) if run.rank == 0 else None,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 2),
        "versions": versions(),
        "commit": commit(),
        "machine": machine(),
    }
    if lost := sorted(facts.keys() & own.keys()):
        raise AssertionError(f"{task.stage}: {', '.join(lost)} of its facts would be overwritten; name them otherwise")
    receipts.write(out, {**facts, **own})


def _taken_whole(task: Task, run: Run) -> bool:
    """The same for a shard, which holds the lock of its part alone."""
    if run.object_store is None or run.rank > 0:
        return False
    with locked(_lock(task)):
        return task.made() or _taken(task, run)


def run_shard(spec: Path, shard: int, num_shards: int, **how: Any) -> None:
    """Caption shard `shard` of `num_shards` and leave it for the cell that merges them, unless that is made."""
    task = read_spec(spec)
    if task.stage != "captions":
        raise ValueError(f"{spec}: only the captions stage runs in shards, this is {task.stage}")
    run = build(Run, {"work": task.work, **how}, "run")
    with locked(_lock(task, f"-{shard}-of-{num_shards}")) if run.rank == 0 else contextlib.nullcontext():
        if run.agree(task.made() or _taken_whole(task, run)):
            return
        if run.rank == 0:
            task.check_inputs(verify=run.verify)
        task.work.mkdir(parents=True, exist_ok=True)
        settings = settings_of("captions", task.settings, str(spec))
        inputs = {role: folder(task.root, other) for role, other in task.inputs.items()}
        run = run.model_copy(update={"earlier": earlier(task, verify=run.verify)})
        captions = importlib.import_module(STAGES["captions"].module)
        part = task.work / f"shard-{shard}-of-{num_shards}.parquet"
        captions.caption_shard(settings, inputs, part, shard, num_shards, run)
        run.agree(True)  # its part is there
