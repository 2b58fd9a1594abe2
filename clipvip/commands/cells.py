"""Commands on the cells of experiments: `cells`, `clean`."""

import argparse
from pathlib import Path
from typing import Any

from clipvip.commands import USUAL


def _cells(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs
    from clipvip.pipeline.status import listing

    print(listing(Jobs(load(arguments.experiment)), arguments.study))


def _clean(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import clean
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs

    jobs = [Jobs(load([path])) for path in arguments.experiment]
    found = clean.unasked(jobs)
    print(clean.listing(found, [each.grid.experiment.name for each in jobs]))
    if arguments.yes:
        clean.remove(jobs[0].root, list(found))
        print("removed")
    elif found:
        print(
            "--yes removes them; name every experiment that shares these results. "
            "Sweep cells count as unused and would be removed too."
        )


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = commands.add_parser("cells", help="list study, variant, seed -> cell, its state and why it is stale")
    one.add_argument("experiment", type=Path, nargs="*", default=[USUAL], help="YAML files")
    one.add_argument("--study", help="only this study")
    one.set_defaults(do=_cells)

    one = commands.add_parser("clean", help="list (with --yes remove) cells that no study of the experiments asks for")
    one.add_argument("experiment", type=Path, nargs="+", help="YAML files of all experiments that share the results")
    one.add_argument("--yes", action="store_true", help="remove them")
    one.set_defaults(do=_clean)
