"""The command `launch`."""

import argparse
from typing import Any


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
    one = commands.add_parser(
        "launch", help="run a command of a job: on devices of its own, in attempts that go on from each other"
    )
    one.add_argument("--gpus", type=int, default=0, help="devices of this machine that it takes (default: 0)")
    one.add_argument("--attempt-minutes", type=float, help="it is asked to save before so long, and started again")
    one.add_argument("--requeue", action="store_true", help="in a SLURM job: the next attempt is that job, requeued")
    one.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command: clipvip ..., or torchrun ...")
    one.set_defaults(do=_launch)
