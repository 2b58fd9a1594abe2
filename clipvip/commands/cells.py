"""Commands on the cells of experiments: `cells`, `adopt`, `clean`, `doctor`."""

import argparse
import os
from pathlib import Path
from typing import Any

from clipvip.commands import USUAL
from clipvip.runtime.options import add_flags, given


def _cells(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import slurm_queue
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs
    from clipvip.pipeline.status import listing

    jobs = Jobs(load(arguments.experiment))
    slurm_queue.record(jobs)
    print(listing(jobs, arguments.study))


def _push(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import remote_cells
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs

    done = remote_cells.push(Jobs(load(arguments.experiment)), arguments.url)
    print(f"{len(done)} cells pushed to {arguments.url}")


def _pull(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline import remote_cells
    from clipvip.pipeline.grid import load
    from clipvip.pipeline.jobs import Jobs

    done = remote_cells.pull(Jobs(load(arguments.experiment)), arguments.url)
    print(f"{len(done)} cells pulled from {arguments.url}")


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
        return 0
    return int(any(each.kind not in doctor.HARMLESS for each in found))


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = commands.add_parser("cells", help="list study, variant, seed -> cell, its state and why it is stale")
    one.add_argument("experiment", type=Path, nargs="*", default=[USUAL], help="YAML files")
    one.add_argument("--study", help="only this study")
    one.set_defaults(do=_cells)

    one = commands.add_parser(
        "adopt", help="keep finished cells after a code change that does not alter results (checked first)"
    )
    one.add_argument("experiment", type=Path, nargs="*", default=[USUAL], help="YAML files")
    one.add_argument("--why", required=True, help="what changed and why results stay the same; written to the receipts")
    one.add_argument("--dry-run", action="store_true", help="only list")
    add_flags(one)
    one.set_defaults(do=_adopt)

    for name, about, do in (
        ("push", "copy the finished cells of an experiment to an object store, or any URL of fsspec", _push),
        ("pull", "bring cells of an experiment from there that are not here, checked on arrival", _pull),
    ):
        one = commands.add_parser(name, help=about)
        one.add_argument("url", help="for example s3://bucket/results (needs s3fs) or file:///elsewhere")
        one.add_argument("experiment", type=Path, nargs="*", default=[USUAL], help="YAML files")
        one.set_defaults(do=do)

    one = commands.add_parser("clean", help="list (with --yes remove) cells that no study of the experiments asks for")
    one.add_argument("experiment", type=Path, nargs="+", help="YAML files of all experiments that share the results")
    one.add_argument("--yes", action="store_true", help="remove them")
    one.set_defaults(do=_clean)

    one = commands.add_parser(
        "doctor", help="find (with --fix mend) torn, damaged, orphaned and lost files of a results folder"
    )
    one.add_argument("results", type=Path, help="a results folder, for example results")
    one.add_argument("--fix", action="store_true", help="take away what is broken, so that the workflow makes it anew")
    one.add_argument("--quick", action="store_true", help="read only files whose size or time changed")
    one.add_argument("--json", action="store_true", help="print the findings as JSON")
    one.set_defaults(do=_doctor)
