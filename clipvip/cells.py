"""A cell is one run of one stage, named by what it is made of.

results/cells/<stage>/<key>/ holds config.json, receipt.json and what the stage made. A cell is made in
a folder beside and renamed into place under a lock. Its receipt carries the source fingerprint of its
stage and its lineage (own fingerprint and the lineages of its inputs), so that any clone can tell
whether today's code would make it the same way.
"""

import contextlib
import fcntl
import importlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from clipvip.provenance import commit, versions
from clipvip.run import Pruned, Run
from clipvip.settings import Settings, build, canonical, digest
from clipvip.source import fingerprint
from clipvip.usage import Usage

# stage -> (model of its settings, function that makes it)
STAGES: dict[str, tuple[str, str]] = {
    "world": ("config:WorldSettings", "mini.world:make"),
    "corpus": ("config:CorpusSettings", "corpora.corpus:make"),
    "frames": ("config:FramesSettings", "frames:make"),
    "clip": ("config:ClipSettings", "start:make"),
    "captioner": ("config:CaptionerSettings", "captioner:make"),
    "captions": ("config:CaptionsSettings", "captioner:caption"),
    "gap": ("config:GapSettings", "domain_gap:make"),
    "pretrain": ("config:PretrainCell", "pretrain:make"),
    "finetune": ("config:FinetuneCell", "finetune:make"),
    "evaluate": ("config:EvaluateCell", "evaluate:make"),
}
# A frame cache only saves decoding: what it holds follows from the corpus and the frame settings.
UNKEYED = "frames"
# Of several processes all take part in these; the other stages are the first one's alone.
SHARED = {"clip", "gap", "pretrain", "finetune", "evaluate"}


@dataclass(frozen=True)
class Cell:
    """One run of `stage` with `settings` on the cells `inputs`."""

    stage: str
    settings: Settings
    inputs: Mapping[str, "Cell"] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """12 hex digits over stage, settings that are not at their default, and keys of inputs."""
        inputs = {role: cell.key for role, cell in self.inputs.items() if not _unkeyed(role)}
        settings = self.settings.model_dump(mode="json", exclude_defaults=True)
        return digest({"stage": self.stage, "settings": settings, "inputs": inputs})

    @cached_property
    def lineage(self) -> str:
        """What today's code would write into the receipt."""
        return _lineage(self.stage, {role: cell.lineage for role, cell in self.inputs.items()})

    @property
    def name(self) -> str:
        """`<stage>/<key>`."""
        return f"{self.stage}/{self.key}"

    def spec(self) -> dict[str, Any]:
        """The file by which the cell can be run by hand."""
        inputs = {role: cell.name for role, cell in self.inputs.items()}
        return {"stage": self.stage, "settings": self.settings.model_dump(mode="json"), "inputs": inputs}


def _unkeyed(role: str) -> bool:
    """`frames` or, for example, `validation:frames`."""
    return role.split(":")[-1] == UNKEYED


def _lineage(stage: str, inputs: dict[str, str]) -> str:
    kept = {role: lineage for role, lineage in inputs.items() if not _unkeyed(role)}
    return digest([stage_fingerprint(stage), kept])


def stage_fingerprint(stage: str) -> str:
    """Fingerprint of the code that a stage reaches."""
    return fingerprint(f"clipvip.{STAGES[stage][1].split(':')[0]}")


def folder(root: Path, name: str) -> Path:
    """Where the cell `<stage>/<key>` lies under the results root."""
    return root / "cells" / name


def spec_path(root: Path, cell: Cell) -> Path:
    """The cell's spec file."""
    return root / "specs" / f"{cell.stage}-{cell.key}.json"


def write_spec(root: Path, cell: Cell) -> Path:
    """Write the spec unless it is there with the same content."""
    path = spec_path(root, cell)
    text = canonical(cell.spec()) + "\n"
    if not path.exists() or path.read_text() != text:
        write_whole(path, text)
    return path


def write_whole(path: Path, text: str) -> None:
    """Write beside and rename into place: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)


def receipt(root: Path, name: str) -> dict[str, Any] | None:
    """The receipt of a finished cell, or None."""
    path = folder(root, name) / "receipt.json"
    return json.loads(path.read_text()) if path.exists() else None


def state(root: Path, cell: Cell) -> str:
    """`fresh`, `missing`, `failed: <why>` or `stale: <why>`."""
    found = receipt(root, cell.name)
    if found is None:
        failed = failure_path(root, cell.name)
        return f"failed: {json.loads(failed.read_text())['reason']}" if failed.exists() else "missing"
    if found["lineage"] == cell.lineage:
        return "fresh"
    own = found["fingerprint"] != stage_fingerprint(cell.stage)
    return "stale: the code of its stage changed" if own else "stale: something it is made from changed"


def failure_path(root: Path, name: str) -> Path:
    """Where the reason of a failed cell is kept until it succeeds."""
    return root / "failed" / f"{name.replace('/', '-')}.json"


def settings_of(stage: str, data: Any, where: str) -> Settings:
    """Settings of a stage from plain data."""
    module, name = STAGES[stage][0].split(":")
    model = getattr(importlib.import_module(f"clipvip.{module}"), name)
    settings: Settings = build(model, data, where)
    return settings


def work_folder(root: Path, name: str, lineage: str) -> Path:
    """Where a cell keeps what it needs to resume; what other code or other inputs left is never resumed."""
    return root / "work" / f"{name.split('/')[1]}-{lineage}"


def read_spec(spec: Path) -> tuple[dict[str, Any], Path, str, str]:
    """The content of a spec file, the results root, and the cell's name and lineage. Inputs must be finished."""
    root, read = spec.parent.parent, json.loads(spec.read_text())
    inputs = {role: _finished(root, other) for role, other in read["inputs"].items()}
    lineage = _lineage(read["stage"], {role: found["lineage"] for role, found in inputs.items()})
    return read, root, f"{read['stage']}/{spec.stem.split('-')[1]}", lineage


def run_spec(spec: Path, **how: Any) -> Path:
    """Make the cell of a spec file unless it is there and fresh; the folder. Inputs must be finished.

    `how`: fields of `Run` beside `work`.
    """
    read, root, name, lineage = read_spec(spec)
    target, run = folder(root, name), Run(work=work_folder(root, name, lineage), **how)
    with locked(root / "locks" / name.replace("/", "-")) if run.rank == 0 else contextlib.nullcontext():
        if run.rank == 0:
            for left in target.parent.glob(f".{target.name}-*"):  # of a killed run; the lock is ours
                shutil.rmtree(left)
        found = receipt(root, name)
        if run.agree(found is not None and found["lineage"] == lineage):
            return target
        run.work.mkdir(parents=True, exist_ok=True)
        try:
            if run.rank == 0 or read["stage"] in SHARED:
                _make(root, name, read, lineage, target, run)
            run.agree(True)  # the cell is there
        except Pruned:
            _forget(target, run)
            raise
        except Exception as error:
            path = failure_path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"reason": str(error) or repr(error), "trace": traceback.format_exc()}))
            raise
    return target


def _forget(target: Path, run: Run) -> None:
    """Remove what an unfinished cell has left, its state for resuming too."""
    for left in [run.work, *target.parent.glob(f".{target.name}-*")]:
        shutil.rmtree(left, ignore_errors=True)


def _make(root: Path, name: str, read: dict[str, Any], lineage: str, target: Path, run: Run) -> None:
    started, clock = datetime.now(UTC), time.perf_counter()
    settings = settings_of(read["stage"], read["settings"], f"specs of {name}")
    beside = target.with_name(f".{target.name}-{run.rank}-{os.getpid()}")
    beside.mkdir(parents=True)
    module, function = STAGES[read["stage"]][1].split(":")
    make = getattr(importlib.import_module(f"clipvip.{module}"), function)
    inputs = {role: folder(root, other) for role, other in read["inputs"].items()}
    with Usage(beside / "system.csv"):
        facts = make(settings, inputs, beside, run)
    if run.rank > 0:
        shutil.rmtree(beside)
        return
    own = {
        "stage": read["stage"],
        "key": target.name,
        "status": "finished",
        "fingerprint": stage_fingerprint(read["stage"]),
        "lineage": lineage,
        "inputs": read["inputs"],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 2),
        "versions": versions(),
        "commit": commit(),
    }
    config = {"stage": read["stage"], "settings": read["settings"], "inputs": read["inputs"]}
    (beside / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (beside / "receipt.json").write_text(json.dumps({**facts, **own}, indent=1) + "\n")
    if target.exists():
        shutil.rmtree(target)
    beside.rename(target)
    failure_path(root, name).unlink(missing_ok=True)
    shutil.rmtree(run.work, ignore_errors=True)


def _finished(root: Path, name: str) -> dict[str, Any]:
    found = receipt(root, name)
    if found is None:
        raise ValueError(f"{folder(root, name)}: this input is not made yet; run its spec first")
    return found


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with what the lock file stands for, among processes on one results root."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
