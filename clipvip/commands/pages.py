"""Commands that show results: `ui`, `report`, `notebook`, `results-page`."""

import argparse
from pathlib import Path
from typing import Any

from clipvip.commands.kinds import NEW_FILE, NOTEBOOK, RESULTS, STUDY, TEXTS, whole
from clipvip.commands.parsing import command


def _ui(arguments: argparse.Namespace) -> int:
    from clipvip.results.tracking import ui

    return ui.serve(arguments.results, arguments.port, browser=not arguments.no_browser)


def _report(arguments: argparse.Namespace) -> None:
    from clipvip.results.report.page import make

    make(arguments.study, arguments.out)


def _notebook(arguments: argparse.Namespace) -> None:
    from clipvip.results.report import notebooks

    notebooks.run(arguments.notebook, arguments.study, arguments.out)
    print(arguments.out)


def _results_page(arguments: argparse.Namespace) -> None:
    from clipvip.results.results_page import refresh, write

    print(write(arguments.experiment, arguments.out))
    if arguments.readme is not None:
        refresh(arguments.readme, arguments.experiment)


def add(commands: Any) -> None:
    """The commands with their flags."""
    _add_ui(commands)
    _add_pages(commands)


def _add_ui(commands: Any) -> None:
    one = command(
        commands,
        "ui",
        _ui,
        "MLflow on 127.0.0.1, opened on the comparison of each study",
        ["clipvip ui", "clipvip ui results --port 5001 --no-browser"],
    )
    one.add_argument(
        "results", type=RESULTS, nargs="?", default=Path("results"), help="results folder (default: results)"
    )
    one.add_argument("--port", type=whole(0, 65535), default=5000, help="port on 127.0.0.1 (default: 5000)")
    one.add_argument("--no-browser", action="store_true", help="print the links only")


def _add_pages(commands: Any) -> None:
    one = command(
        commands,
        "report",
        _report,
        "write the studies as one offline HTML page",
        ["clipvip report results/mini/studies/main --out main.html"],
    )
    one.add_argument("study", type=STUDY, nargs="+", help="study folders")
    one.add_argument("--out", type=NEW_FILE, required=True, help="the page")

    one = command(
        commands,
        "results-page",
        _results_page,
        "write the studies of an experiment as one Markdown page",
        ["clipvip results-page results/mini", "clipvip results-page results/mini --out page.md --readme README.md"],
    )
    one.add_argument("experiment", type=RESULTS, help="results/<experiment>")
    page = Path("docs/results.md")
    one.add_argument("--out", type=NEW_FILE, default=page, help="the page (default: docs/results.md)")
    one.add_argument("--readme", type=TEXTS, help="also refresh the verdicts between the marks of this page")

    one = command(
        commands,
        "notebook",
        _notebook,
        "run a notebook on a study folder and keep it with its outputs",
        ["clipvip notebook analysis/main.ipynb results/mini/studies/main --out main.ipynb"],
        more="Runs the code of a notebook, all of it, with your rights on this machine: read a notebook that is not "
        "yours before you run it.",
    )
    one.add_argument("notebook", type=NOTEBOOK, help="for example analysis/main.ipynb")
    one.add_argument("study", type=STUDY, help="study folder")
    one.add_argument("--out", type=NEW_FILE, required=True, help="the executed notebook")
