"""`clipvip <command>`: flags to functions, nothing else."""

import argparse
import sys
from pathlib import Path


def _run(arguments: argparse.Namespace) -> None:
    from clipvip.cells import run_spec

    for spec in arguments.spec:
        run_spec(spec, device=arguments.device, workers=arguments.workers)


def _caption_shard(arguments: argparse.Namespace) -> None:
    from clipvip.jobs import run_shard

    run_shard(arguments.spec, arguments.shard, arguments.of, device=arguments.device)


def _cells(arguments: argparse.Namespace) -> None:
    from clipvip.grid import load
    from clipvip.jobs import Jobs
    from clipvip.overview import listing

    print(listing(Jobs(load(arguments.experiment)), arguments.study))


def _table(arguments: argparse.Namespace) -> None:
    import json

    from clipvip.tables import make

    print(make(json.loads(arguments.plan.read_text()), arguments.plan.parent))


def _track(arguments: argparse.Namespace) -> None:
    import json

    from clipvip import track

    if arguments.plan is None:
        track.create(arguments.uri, arguments.artifacts)
    else:
        print(track.mirror(json.loads(arguments.plan.read_text()), arguments.uri, arguments.plan.parent))


def _report(arguments: argparse.Namespace) -> None:
    from clipvip.report import make

    make(arguments.study, arguments.out)


def _show(arguments: argparse.Namespace) -> None:
    from clipvip.summary import markdown

    print("\n\n".join(markdown(folder) for folder in arguments.study))


def parser() -> argparse.ArgumentParser:
    """All commands with their flags."""
    top = argparse.ArgumentParser(prog="clipvip", description="CLIP-ViP as a laboratory.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("run", help="make cells from their spec files, in order; finished ones are left alone")
    one.add_argument("spec", type=Path, nargs="+", help="results/specs/<stage>-<key>.json")
    one.add_argument("--device", default="cpu", help="torch device, for example cuda:0 (default: cpu)")
    one.add_argument("--workers", type=int, default=0, help="processes that decode ahead (default: none)")
    one.set_defaults(do=_run)

    one = commands.add_parser("caption-shard", help="caption one part of a corpus, resuming where it stopped")
    one.add_argument("spec", type=Path, help="results/specs/captions-<key>.json")
    one.add_argument("--shard", type=int, required=True, help="which part, from 0")
    one.add_argument("--of", type=int, required=True, help="number of parts")
    one.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    one.set_defaults(do=_caption_shard)

    one = commands.add_parser("cells", help="list study, variant, seed -> cell, its state and why it is stale")
    one.add_argument("experiment", type=Path, nargs="*", default=[Path("experiments/mini.yaml")], help="YAML files")
    one.add_argument("--study", help="only this study")
    one.set_defaults(do=_cells)

    one = commands.add_parser("table", help="a study's table, tests and verdicts from its finished cells")
    one.add_argument("plan", type=Path, help="results/<experiment>/studies/<study>/plan.json")
    one.set_defaults(do=_table)

    one = commands.add_parser("show", help="print studies: results with intervals, and the verdict on each claim")
    one.add_argument("study", type=Path, nargs="+", help="study folders, for example results/mini/studies/main")
    one.set_defaults(do=_show)

    one = commands.add_parser("track", help="mirror a study's cells into MLflow; without a plan, create the store")
    one.add_argument("plan", type=Path, nargs="?", help="results/<experiment>/studies/<study>/plan.json")
    one.add_argument("--uri", required=True, help="MLflow tracking URI")
    one.add_argument("--artifacts", type=Path, help="artifact folder of a new store")
    one.set_defaults(do=_track)

    one = commands.add_parser("report", help="gather the studies in one offline page")
    one.add_argument("study", type=Path, nargs="+", help="study folders")
    one.add_argument("--out", type=Path, required=True, help="the page")
    one.set_defaults(do=_report)
    return top


def main(words: list[str] | None = None) -> int:
    """Run a command; a user's error is one line, exit code 1."""
    arguments = parser().parse_args(words)
    try:
        arguments.do(arguments)
    except ValueError as error:
        print(f"clipvip: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
