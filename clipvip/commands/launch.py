"""The command `launch`."""

import argparse
from typing import Any

from clipvip.commands.kinds import real, whole
from clipvip.commands.parsing import command


def _launch(arguments: argparse.Namespace) -> int:
    from clipvip.pipeline.launch import launch

    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not words:
        raise ValueError(
            "launch: no command; give it after --, for example: clipvip launch --gpus 1 -- clipvip run ..."
        )
    return launch(words, gpus=arguments.gpus, minutes=arguments.attempt_minutes, requeue=arguments.requeue)


def add(commands: Any) -> None:
    """The command with its flags."""
    one = command(
        commands,
        "launch",
        _launch,
        "run a command of a job: on devices of its own, in attempts that go on from each other",
        ["clipvip launch --gpus 1 --attempt-minutes 60 -- clipvip run results/specs/evaluate-<key>.json"],
    )
    one.add_argument(
        "--gpus", type=whole(0, 4096), default=0, help="devices of this machine that it takes (default: 0)"
    )
    minutes = real(above=True, high=1e9, of="number of minutes")
    one.add_argument("--attempt-minutes", type=minutes, help="it is asked to save before so long, and started again")
    one.add_argument("--requeue", action="store_true", help="in a SLURM job: the next attempt is that job, requeued")
    one.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command: clipvip ..., or torchrun ...")
