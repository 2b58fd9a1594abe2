"""Commands on the cells of experiments: `cells`, `status`, `adopt`, `clean`, `doctor`."""

import argparse
import os
from pathlib import Path
from typing import Any

from clipvip.commands import USUAL
from clipvip.commands.kinds import EXPERIMENT, RESULTS
from clipvip.commands.parsing import add_run_flags, command


def _cells(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import slurm_queue
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs
    from clipvip.pipeline.status import listing

    jobs = Jobs(load(arguments.experiment))
    slurm_queue.record(jobs)
    print(listing(jobs, arguments.study))


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


def _adopt(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline.adopt import adopt, adoptions
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs
    from clipvip.runtime.options import given

    jobs = [Jobs(load([path])) for path in arguments.experiment]
    # as many threads as the workflow gives a job: another number rounds sums in another order
    os.environ.setdefault("OMP_NUM_THREADS", str(jobs[0].grid.experiment.run.threads))
    found = adoptions(jobs)
    print("\n".join(each.listing() for each in found))
    if not arguments.dry_run:
        print(f"{adopt(found, arguments.why, given(arguments))} cells adopted")


def _doctor(arguments: argparse.Namespace) -> int:
    from clipvip.pipeline import doctor

    found = doctor.examine(arguments.results, verify=not arguments.quick)
    print(doctor.facts(found) if arguments.json else doctor.listing(found, arguments.results))
    if arguments.fix:
        print(f"{doctor.mend(found)} mended")
        found = [each for each in found if each.mend is None]
    return int(any(each.kind not in doctor.HARMLESS for each in found))


def _status(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import progress

    print("\n".join(progress.status(path) for folder in arguments.folder for path in progress.lists(folder)))


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = command(
        commands,
        "cells",
        _cells,
        "list study, variant, seed -> cell, its state and why it is stale",
        ["clipvip cells", "clipvip cells experiments/smoke.yaml --study main"],
    )
    one.add_argument("experiment", type=EXPERIMENT, nargs="*", default=[USUAL], help="YAML files")
    one.add_argument("--study", help="only this study")

    one = command(
        commands,
        "status",
        _status,
        "say what a workflow makes now, how far it is, what failed and why",
        ["clipvip status", "clipvip status results/mini"],
        more="From another terminal, while the workflow runs or after it: cells made, the time left from finished "
        "cells and earlier runs, what runs with its step and speed, what failed with the reason.",
    )
    one.add_argument(
        "folder", type=RESULTS, nargs="*", default=[Path("results")], help="results, or results/<experiment>"
    )

    _add_keeping(commands)


def _add_keeping(commands: Any) -> None:
    """What is kept, taken away and mended."""
    one = command(
        commands,
        "adopt",
        _adopt,
        "keep finished cells after a code change that does not alter results (checked first)",
        ["clipvip adopt --dry-run --why 'a tidied reader'", "clipvip adopt experiments/smoke.yaml --why 'new names'"],
        later=add_run_flags,
    )
    one.add_argument("experiment", type=EXPERIMENT, nargs="*", default=[USUAL], help="YAML files")
    one.add_argument("--why", required=True, help="what changed and why results stay the same; written to the receipts")
    one.add_argument("--dry-run", action="store_true", help="only list")

    one = command(
        commands,
        "clean",
        _clean,
        "list (with --yes remove) cells that no study of the experiments asks for",
        ["clipvip clean experiments/mini.yaml", "clipvip clean experiments/mini.yaml experiments/smoke.yaml --yes"],
    )
    one.add_argument(
        "experiment", type=EXPERIMENT, nargs="+", help="YAML files of all experiments that share the results"
    )
    one.add_argument("--yes", action="store_true", help="remove them")

    one = command(
        commands,
        "doctor",
        _doctor,
        "find (with --fix mend) torn, damaged, orphaned and lost files of a results folder",
        ["clipvip doctor results", "clipvip doctor results --quick --fix"],
    )
    one.add_argument("results", type=RESULTS, help="a results folder, for example results")
    one.add_argument("--fix", action="store_true", help="take away what is broken, so that the workflow makes it anew")
    one.add_argument("--quick", action="store_true", help="read only files whose size or time changed")
    one.add_argument("--json", action="store_true", help="print the findings as JSON")
