"""Commands that make cells: `run`, `caption-shard`, `sweep`."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clipvip.runtime.options import add_flags, given


def _run(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline.runner import run_spec
    from clipvip.results.tracking.live import shown

    how = given(arguments)

    def run(**more: Any) -> None:
        for spec in arguments.spec:
            uri = arguments.live if more.get("rank", 0) == 0 else None
            with shown(spec, uri, arguments.live_experiment) as log:
                run_spec(spec, **how | more | ({"log": log} if log else {}))

    _together(arguments, run)


def _together(arguments: argparse.Namespace, run: Callable[..., None]) -> None:
    """`run` with the fields of `Run` that say which of torchrun's processes this is; with none where it is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        run()
        return
    from clipvip.runtime import distributed  # torch takes its second to load; a process alone may not need it

    with distributed.joined(arguments.device, arguments.stuck_minutes) as device:
        run(device=device, rank=distributed.rank(), agree=distributed.first)


def _caption_shard(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline.runner import run_shard

    def run(**more: Any) -> None:
        run_shard(arguments.spec, arguments.shard, arguments.of, **given(arguments) | more)

    _together(arguments, run)


def _sweep(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import optuna_study, optuna_sweep

    plan = optuna_sweep.read_plan(arguments.plan)
    if arguments.do_what == "create":
        print(f"{optuna_study.create(plan)} points to try")
    elif arguments.do_what == "work":
        print(f"{optuna_sweep.Worker(plan, **given(arguments)).work()} trials done")
    else:
        print(optuna_sweep.finish(plan, arguments.plan.parent))
        if arguments.uri is not None:
            from clipvip.results.tracking import mirror

            found = mirror.mirror_sweep(plan.grid.experiment.name, plan.name, arguments.plan.parent, arguments.uri)
            print(f"{found} runs made")


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = commands.add_parser("run", help="run cells from their spec files in order, skipping finished ones")
    one.add_argument("spec", type=Path, nargs="+", help="results/specs/<stage>-<key>.json")
    one.add_argument("--live", metavar="URI", help="log training to this MLflow store while it runs")
    one.add_argument("--live-experiment", default="live", help="name of the MLflow experiment (default: live)")
    add_flags(one)
    one.set_defaults(do=_run)

    one = commands.add_parser("caption-shard", help="caption one part of a corpus, resuming where it stopped")
    one.add_argument("spec", type=Path, help="results/specs/captions-<key>.json")
    one.add_argument("--shard", type=int, required=True, help="which part, from 0")
    one.add_argument("--of", type=int, required=True, help="number of parts")
    add_flags(one)
    one.set_defaults(do=_caption_shard)

    one = commands.add_parser(
        "sweep", help="run an Optuna sweep: create the study, work on trials, write the best settings"
    )
    one.add_argument("do_what", choices=["create", "work", "finish"], help="create first, then workers, then finish")
    one.add_argument("plan", type=Path, help="results/<experiment>/sweeps/<name>/plan.json")
    one.add_argument("--uri", help="finish: also mirror the trials to this MLflow tracking URI")
    add_flags(one)
    one.set_defaults(do=_sweep)
