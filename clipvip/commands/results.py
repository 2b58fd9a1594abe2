"""Commands on what finished cells say: `table`, `show`, `track`, `export`, `import`, `compare`."""

import argparse
from pathlib import Path
from typing import Any

from clipvip.commands.kinds import (
    CRATE,
    NEW_FILE,
    NEW_FOLDER,
    PLAN,
    RESULTS,
    SHARE,
    STORE,
    STUDY,
    TRACKED,
    whole,
)
from clipvip.commands.parsing import command


def _table(arguments: argparse.Namespace) -> None:
    from clipvip.results import study_files
    from clipvip.results.finished import read_plan, refuse_if_empty
    from clipvip.results.tables import make, make_all
    from clipvip.runtime.bars import told_apart

    folders = [_study_of(path) for path in arguments.plan]
    for folder in folders:
        refuse_if_empty(read_plan(folder), folder)
    beside = list(folders[0].resolve().parent.glob(f"*/{study_files.PLAN}"))
    if len(folders) < len(beside):  # of one study while others may be running
        for folder in folders:
            with told_apart(f"table of {folder.name}"):
                print(make(read_plan(folder), folder))
    else:
        with told_apart("tables of all studies"):
            for name, counts in make_all(folders).items():
                print(f"{name}: {counts}")


def _study_of(plan: Path) -> Path:
    """The study's folder of a plan."""
    from clipvip.results import study_files

    if plan.name != study_files.PLAN:
        raise ValueError(f"{plan}: no plan of a study (results/<experiment>/studies/<study>/{study_files.PLAN})")
    return plan.parent


def _track(arguments: argparse.Namespace) -> None:
    from clipvip.results import study_files
    from clipvip.results.finished import read_plan, refuse_if_empty
    from clipvip.results.tracking import mirror
    from clipvip.results.tracking.links import links
    from clipvip.runtime.bars import told_apart

    if not arguments.plan:
        if arguments.artifacts is None and arguments.uri.startswith("sqlite:"):
            raise ValueError(
                "track: without a plan a store is created at --uri; give --artifacts, the folder of its files"
            )
        mirror.create(arguments.uri, arguments.artifacts)
    for path in arguments.plan:
        plans = [path] if path.is_file() else sorted(path.glob(f"studies/*/{study_files.PLAN}"))
        if not plans:
            raise ValueError(
                f"{path}: neither a {study_files.PLAN} nor the folder of an experiment (results/<experiment>)"
            )
        for folder in map(_study_of, plans):
            plan = read_plan(folder)
            refuse_if_empty(plan, folder)
            with told_apart(f"MLflow, {folder.name}"):
                print(mirror.mirror(plan, arguments.uri, folder))
                for label, url in links(folder)[:1]:
                    print(f"{label}: {url}")


def _show(arguments: argparse.Namespace) -> None:
    from clipvip.results.report.terminal import markdown

    print("\n\n".join(markdown(folder) for folder in arguments.study))


def _export(arguments: argparse.Namespace) -> None:
    from clipvip.results import archive

    print(f"{arguments.file}: {archive.export(arguments.study, arguments.file)}")


def _import(arguments: argparse.Namespace) -> None:
    from clipvip.results import archive

    print(f"{arguments.results}: {archive.bring(arguments.file, arguments.results)}")


def _compare(arguments: argparse.Namespace) -> int:
    from clipvip.results.agreement import Criteria, agreement, failures, listing
    from clipvip.runtime.files import written

    found = agreement(arguments.a, arguments.b)
    failed = failures(found, Criteria(arguments.most_reversed, arguments.most_changed, arguments.least_inside))
    print(listing(found, failed))
    if arguments.out is not None:
        with written(arguments.out) as beside:
            found.to_csv(beside, index=False)
    return 1 if failed else 0


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = command(
        commands,
        "table",
        _table,
        "write a study's table, tests and verdicts from its finished cells",
        ["clipvip table results/mini/studies/main/plan.json"],
    )
    plans = "results/<experiment>/studies/<study>/plan.json; several write the noise of training too"
    one.add_argument("plan", type=PLAN, nargs="+", help=plans)

    one = command(
        commands,
        "show",
        _show,
        "print studies: results with intervals, and the verdict on each claim",
        ["clipvip show results/mini/studies/main"],
    )
    one.add_argument("study", type=STUDY, nargs="+", help="study folders, for example results/mini/studies/main")

    one = command(
        commands,
        "track",
        _track,
        "mirror finished cells to MLflow; without a plan, create the store",
        [
            "clipvip track results/mini --uri sqlite:///results/mlflow.db",
            "clipvip track --uri sqlite:///results/mlflow.db --artifacts results/mlartifacts",
        ],
    )
    one.add_argument(
        "plan", type=TRACKED, nargs="*", help="results/<experiment>, or studies/<study>/plan.json below it"
    )
    one.add_argument("--uri", type=STORE, required=True, help="MLflow tracking URI")
    one.add_argument("--artifacts", type=NEW_FOLDER, help="artifact folder of a new store")

    _add_archive(commands)
    _add_compare(commands)


def _add_archive(commands: Any) -> None:
    one = command(
        commands,
        "export",
        _export,
        "write a study with what its cells say as one file (an RO-Crate)",
        ["clipvip export results/mini/studies/main main.crate.zip"],
    )
    one.add_argument("study", type=STUDY, help="study folder, for example results/mini/studies/main")
    one.add_argument("file", type=NEW_FILE, help="the file to write, for example main.crate.zip")

    one = command(
        commands,
        "import",
        _import,
        "bring an exported study into a results folder, checked on arrival",
        ["clipvip import main.crate.zip elsewhere"],
    )
    one.add_argument("file", type=CRATE, help="a file that `clipvip export` wrote")
    one.add_argument("results", type=NEW_FOLDER, help="results folder; best one of its own")


def _add_compare(commands: Any) -> None:
    one = command(
        commands,
        "compare",
        _compare,
        "compare two runs of an experiment: outcomes, and figures inside the other's interval; exit 1 if too few",
        ["clipvip compare results/mini elsewhere/mini", "clipvip compare a b --out differences.csv --most-reversed 1"],
        more="Prints each claim with its outcome and difference in both runs, and the shares of differences and "
        "table values that lie inside the other run's 95 % interval. Exit code 1 where a criterion is not met.",
    )
    one.add_argument("a", type=RESULTS, help="results, results/<experiment> or a study's folder")
    one.add_argument("b", type=RESULTS, help="the same of the other run")
    one.add_argument("--out", type=NEW_FILE, help="write the comparison as csv: a row a claim and a row a table value")
    one.add_argument(
        "--most-reversed", type=whole(0), default=0, help="claims that may turn from yes to no or back (default: 0)"
    )
    one.add_argument(
        "--most-changed", type=SHARE, default=0.1, help="share of claims that may come out otherwise (default: 0.1)"
    )
    one.add_argument(
        "--least-inside",
        type=SHARE,
        default=0.93,
        help="share of either run's differences that must lie inside the other's intervals (default: 0.93)",
    )
