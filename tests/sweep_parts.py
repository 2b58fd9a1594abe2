"""Small sweeps of a small experiment."""

import json
from pathlib import Path
from typing import Any

import yaml

from clipvip.config.base import build
from clipvip.config.sweep import SweepSettings
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.sweep_space import Sweep

ROOT = Path(__file__).parents[1]
SPACE = {"pretrain.optim.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "model.num_proxies": {"low": 1, "high": 3}}


def experiment(root: Path, clip_folder: Path, steps: int = 4) -> dict[str, Any]:
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text())
    data |= {"name": "tiny", "results": str(root), "clip": {"source": str(clip_folder)}}
    data["studies"] = str(ROOT / "experiments/studies.yaml")
    data["corpora"]["narrated"]["world"]["clips"] = {"train": 24}
    data["corpora"]["msrvtt"]["world"]["clips"] = {"train": 24, "test": 8}
    data["corpora"]["msrvtt"]["holdout"] = 8
    data["pretrain"]["optim"] |= {"steps": steps, "batch_size": 6}
    data["pretrain"]["objective"] = "subtitle"
    data["roles"] |= {"small": {"corpus": "narrated", "clips": 12}, "medium": {"corpus": "narrated", "clips": 16}}
    return data


def make(data: dict[str, Any], **change: Any) -> Sweep:
    settings = {"stage": "pretrain", "set": "msrvtt", "space": SPACE, "trials": 4, "startup": 2, "heartbeat": 1}
    return Sweep("lr", build(SweepSettings, settings | change, "test"), Grid(data))


def plan_file(one: Sweep, path: Path) -> Path:
    content = {"name": one.name, "sweep": one.settings.model_dump(mode="json"), "experiment": one.grid.given}
    path.write_text(json.dumps(content))
    return path
