"""Commands that carry finished cells to another place and back: `push`, `pull`."""

import argparse
from typing import Any

from clipvip.commands import USUAL
from clipvip.commands.kinds import EXPERIMENT, URL
from clipvip.commands.parsing import command


def _push(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import remote_cells
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs

    done = remote_cells.push(Jobs(load(arguments.experiment)), arguments.url, again=arguments.again)
    print(f"{len(done)} cells pushed to {arguments.url}")


def _pull(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import remote_cells
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs

    done = remote_cells.pull(Jobs(load(arguments.experiment)), arguments.url)
    print(f"{len(done)} cells pulled from {arguments.url}")


def add(commands: Any) -> None:
    """The commands with their flags."""
    for name, about, do in (
        ("push", "copy the finished cells of an experiment to an object store, or any URL of fsspec", _push),
        ("pull", "bring cells of an experiment from there that are not here, checked on arrival", _pull),
    ):
        one = command(commands, name, do, about, [f"clipvip {name} s3://bucket/results experiments/mini.yaml"])
        one.add_argument("url", type=URL, help="for example s3://bucket/results (needs s3fs) or file:///elsewhere")
        one.add_argument("experiment", type=EXPERIMENT, nargs="*", default=[USUAL], help="YAML files")
        if name == "push":
            one.add_argument("--again", action="store_true", help="copy also what is there, over what came to harm")
