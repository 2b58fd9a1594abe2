"""Commands on what finished cells say: `table`, `show`, `track`, `report`, `notebook`, `results-page`,
`export`, `import`, `compare`."""

import argparse
from pathlib import Path
from typing import Any


def _table(arguments: argparse.Namespace) -> None:
    from clipvip.results import study_files
    from clipvip.results.finished import read_plan, refuse_if_empty
    from clipvip.results.tables import make, make_all

    folders = [path.parent for path in arguments.plan]
    for folder in folders:
        refuse_if_empty(read_plan(folder), folder)
    beside = list(folders[0].resolve().parent.glob(f"*/{study_files.PLAN}"))
    if len(folders) < len(beside):  # of one study while others may be running
        for folder in folders:
            print(make(read_plan(folder), folder))
    else:
        for name, counts in make_all(folders).items():
            print(f"{name}: {counts}")


def _track(arguments: argparse.Namespace) -> None:
    from clipvip.results import study_files
    from clipvip.results.finished import read_plan, refuse_if_empty
    from clipvip.results.tracking import mirror

    if not arguments.plan:
        mirror.create(arguments.uri, arguments.artifacts)
    for path in arguments.plan:
        plans = [path] if path.is_file() else sorted(path.glob(f"studies/*/{study_files.PLAN}"))
        if not plans:
            raise ValueError(
                f"{path}: neither a {study_files.PLAN} nor the folder of an experiment (results/<experiment>)"
            )
        for folder in (each.parent for each in plans):
            plan = read_plan(folder)
            refuse_if_empty(plan, folder)
            print(f"{folder.name}: {mirror.mirror(plan, arguments.uri, folder)}")


def _report(arguments: argparse.Namespace) -> None:
    from clipvip.results.report.page import make

    make(arguments.study, arguments.out)


def _notebook(arguments: argparse.Namespace) -> None:
    from clipvip.results.report import notebooks

    notebooks.run(arguments.notebook, arguments.study, arguments.out)
    print(arguments.out)


def _show(arguments: argparse.Namespace) -> None:
    from clipvip.results.report.terminal import markdown

    print("\n\n".join(markdown(folder) for folder in arguments.study))


def _results_page(arguments: argparse.Namespace) -> None:
    from clipvip.results.results_page import refresh, write

    print(write(arguments.experiment, arguments.out))
    if arguments.readme is not None:
        refresh(arguments.readme, arguments.experiment)


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
    one = commands.add_parser("table", help="write a study's table, tests and verdicts from its finished cells")
    plans = "results/<experiment>/studies/<study>/plan.json; several write the noise of training too"
    one.add_argument("plan", type=Path, nargs="+", help=plans)
    one.set_defaults(do=_table)

    one = commands.add_parser("show", help="print studies: results with intervals, and the verdict on each claim")
    one.add_argument("study", type=Path, nargs="+", help="study folders, for example results/mini/studies/main")
    one.set_defaults(do=_show)

    one = commands.add_parser("track", help="mirror finished cells to MLflow; without a plan, create the store")
    one.add_argument("plan", type=Path, nargs="*", help="results/<experiment>, or studies/<study>/plan.json below it")
    one.add_argument("--uri", required=True, help="MLflow tracking URI")
    one.add_argument("--artifacts", type=Path, help="artifact folder of a new store")
    one.set_defaults(do=_track)

    one = commands.add_parser("report", help="write the studies as one offline HTML page")
    one.add_argument("study", type=Path, nargs="+", help="study folders")
    one.add_argument("--out", type=Path, required=True, help="the page")
    one.set_defaults(do=_report)

    one = commands.add_parser("notebook", help="run a notebook on a study folder and keep it with its outputs")
    one.add_argument("notebook", type=Path, help="for example analysis/main.ipynb")
    one.add_argument("study", type=Path, help="study folder")
    one.add_argument("--out", type=Path, required=True, help="the executed notebook")
    one.set_defaults(do=_notebook)

    one = commands.add_parser("results-page", help="write the studies of an experiment as one Markdown page")
    one.add_argument("experiment", type=Path, help="results/<experiment>")
    one.add_argument("--out", type=Path, default=Path("docs/results.md"), help="the page (default: docs/results.md)")
    one.add_argument("--readme", type=Path, help="also refresh the verdicts between the marks of this page")
    one.set_defaults(do=_results_page)
    _add_archive(commands)
    _add_compare(commands)


def _add_archive(commands: Any) -> None:
    one = commands.add_parser("export", help="write a study with what its cells say as one file (an RO-Crate)")
    one.add_argument("study", type=Path, help="study folder, for example results/mini/studies/main")
    one.add_argument("file", type=Path, help="the file to write, for example main.crate.zip")
    one.set_defaults(do=_export)

    one = commands.add_parser("import", help="bring an exported study into a results folder, checked on arrival")
    one.add_argument("file", type=Path, help="a file that `clipvip export` wrote")
    one.add_argument("results", type=Path, help="results folder; best one of its own")
    one.set_defaults(do=_import)


def _add_compare(commands: Any) -> None:
    one = commands.add_parser(
        "compare",
        help="compare two runs of an experiment: outcomes, and figures inside the other's interval; exit 1 if too few",
        description="Prints each claim with its outcome and difference in both runs, and the shares of differences and "
        "table values that lie inside the other run's 95 %% interval. Exit code 1 where a criterion is not met.",
    )
    one.add_argument("a", type=Path, help="results, results/<experiment> or a study's folder")
    one.add_argument("b", type=Path, help="the same of the other run")
    one.add_argument("--out", type=Path, help="write the comparison as csv: a row a claim and a row a table value")
    one.add_argument(
        "--most-reversed", type=int, default=0, help="claims that may turn from yes to no or back (default: 0)"
    )
    one.add_argument(
        "--most-changed", type=float, default=0.1, help="share of claims that may come out otherwise (default: 0.1)"
    )
    one.add_argument(
        "--least-inside",
        type=float,
        default=0.93,
        help="share of either run's differences that must lie inside the other's intervals (default: 0.93)",
    )
    one.set_defaults(do=_compare)
