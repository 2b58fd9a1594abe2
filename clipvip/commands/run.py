"""Commands that make cells: `run`, `caption-shard`, `sweep`."""

import argparse
import os
from collections.abc import Callable
from typing import Any

from clipvip.commands.kinds import LISTED, PLAN, SPEC, STORE, whole
from clipvip.commands.parsing import add_run_flags, command

LIST = "the workflow's list, results/<experiment>/jobs.json: say whose a cell is, and how far all is"


def _run(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline.progress import told
    from clipvip.pipeline.runner import run_spec
    from clipvip.results.tracking.live import shown
    from clipvip.runtime.options import given

    how = given(arguments)

    def run(**more: Any) -> None:
        with told(arguments.spec, arguments.listed) as begin:
            for spec in arguments.spec:
                begin(spec)
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
    from clipvip.pipeline.progress import told
    from clipvip.pipeline.runner import run_shard
    from clipvip.runtime.options import given

    if arguments.shard >= arguments.of:
        raise ValueError(f"--shard {arguments.shard}: of {arguments.of} parts the last is {arguments.of - 1}")

    def run(**more: Any) -> None:
        with told([arguments.spec], arguments.listed):
            run_shard(arguments.spec, arguments.shard, arguments.of, **given(arguments) | more)

    _together(arguments, run)


def _sweep(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import optuna_study, optuna_sweep
    from clipvip.runtime.bars import told_apart
    from clipvip.runtime.options import given

    plan = optuna_sweep.read_plan(arguments.plan)
    worker = f", process {os.getpid()}" if arguments.do_what == "work" else ""
    with told_apart(f"sweep {plan.name}{worker}"):
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
    one = command(
        commands,
        "run",
        _run,
        "run cells from their spec files in order, skipping finished ones",
        [
            "clipvip run results/specs/evaluate-0123456789ab.json",
            "clipvip run results/specs/pretrain-0123456789ab.json --device cuda --workers 4",
        ],
        later=add_run_flags,
    )
    one.add_argument("spec", type=SPEC, nargs="+", help="results/specs/<stage>-<key>.json")
    one.add_argument("--listed", type=LISTED, metavar="FILE", help=LIST)
    one.add_argument("--live", type=STORE, metavar="URI", help="log training to this MLflow store while it runs")
    one.add_argument("--live-experiment", default="live", help="name of the MLflow experiment (default: live)")

    one = command(
        commands,
        "caption-shard",
        _caption_shard,
        "caption one part of a corpus, resuming where it stopped",
        ["clipvip caption-shard results/specs/captions-0123456789ab.json --shard 0 --of 8"],
        later=add_run_flags,
    )
    one.add_argument("spec", type=SPEC, help="results/specs/captions-<key>.json")
    one.add_argument("--shard", type=whole(0), required=True, help="which part, from 0")
    one.add_argument("--of", type=whole(), required=True, help="number of parts")
    one.add_argument("--listed", type=LISTED, metavar="FILE", help=LIST)

    one = command(
        commands,
        "sweep",
        _sweep,
        "run an Optuna sweep: create the study, work on trials, write the best settings",
        [
            "clipvip sweep create results/mini/sweeps/pretrain/plan.json",
            "clipvip sweep work results/mini/sweeps/pretrain/plan.json --workers 2",
            "clipvip sweep finish results/mini/sweeps/pretrain/plan.json --uri sqlite:///results/mlflow.db",
        ],
        later=add_run_flags,
    )
    one.add_argument("do_what", choices=["create", "work", "finish"], help="create first, then workers, then finish")
    one.add_argument("plan", type=PLAN, help="results/<experiment>/sweeps/<name>/plan.json")
    one.add_argument("--uri", type=STORE, help="finish: also mirror the trials to this MLflow tracking URI")
