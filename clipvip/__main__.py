"""`clipvip <command>`: flags to functions, nothing else."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, get_args

from clipvip import data_commands
from clipvip.data_commands import SOME_UNREADABLE, positive
from clipvip.run import Compiler

HOW = ("device", "workers", "micro_batch", "compile", "recompute", "checkpoint_seconds")  # of `run`: fields of Run


def _run(arguments: argparse.Namespace) -> None:
    from clipvip.cells import run_spec
    from clipvip.live import shown

    how = {name: getattr(arguments, name) for name in HOW}

    def run(**more: Any) -> None:
        for spec in arguments.spec:
            uri = arguments.live if more.get("rank", 0) == 0 else None
            with shown(spec, uri, arguments.live_experiment) as log:
                run_spec(spec, **how | more | ({"log": log} if log else {}))

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        run()
        return
    from clipvip import distributed  # torch takes its second to load; a process alone may not need it

    with distributed.joined(arguments.device) as device:
        run(device=device, rank=distributed.rank(), agree=distributed.first)


def _caption_shard(arguments: argparse.Namespace) -> None:
    from clipvip.jobs import run_shard

    run_shard(arguments.spec, arguments.shard, arguments.of, device=arguments.device)


def _cells(arguments: argparse.Namespace) -> None:
    from clipvip.grid import load
    from clipvip.jobs import Jobs
    from clipvip.overview import listing

    print(listing(Jobs(load(arguments.experiment)), arguments.study))


def _clean(arguments: argparse.Namespace) -> None:
    from clipvip import clean
    from clipvip.grid import load
    from clipvip.jobs import Jobs

    jobs = [Jobs(load([path])) for path in arguments.experiment]
    found = clean.unasked(jobs)
    print(clean.listing(found, [each.grid.experiment.name for each in jobs]))
    if arguments.yes:
        clean.remove(jobs[0].root, list(found))
        print("removed")
    elif found:
        print("--yes removes them; name every experiment that shares these results. Cells of sweeps are unasked too.")


def _table(arguments: argparse.Namespace) -> None:
    import json

    from clipvip.tables import make

    print(make(json.loads(arguments.plan.read_text()), arguments.plan.parent))


def _track(arguments: argparse.Namespace) -> None:
    import json

    from clipvip import track

    if not arguments.plan:
        track.create(arguments.uri, arguments.artifacts)
    for path in arguments.plan:
        plans = [path] if path.is_file() else sorted(path.glob("studies/*/plan.json"))
        if not plans:
            raise ValueError(f"{path}: neither a plan.json nor the folder of an experiment (results/<experiment>)")
        for plan in plans:
            print(f"{plan.parent.name}: {track.mirror(json.loads(plan.read_text()), arguments.uri, plan.parent)}")


def _sweep(arguments: argparse.Namespace) -> None:
    from clipvip import sweep

    plan = sweep.read_plan(arguments.plan)
    if arguments.do_what == "create":
        print(f"{sweep.create(plan)} trials wait")
    elif arguments.do_what == "work":
        how = {name: getattr(arguments, name) for name in HOW}
        print(f"{sweep.Worker(plan, arguments.worker, **how).work()} trials done")
    else:
        print(sweep.finish(plan, arguments.plan.parent))
        if arguments.uri is not None:
            from clipvip import track

            found = track.mirror_sweep(plan.grid.experiment.name, plan.name, arguments.plan.parent, arguments.uri)
            print(f"{found} runs made")


def _report(arguments: argparse.Namespace) -> None:
    from clipvip.report import make

    make(arguments.study, arguments.out)


def _show(arguments: argparse.Namespace) -> None:
    from clipvip.summary import markdown

    print("\n\n".join(markdown(folder) for folder in arguments.study))


def _convert(arguments: argparse.Namespace) -> None:
    from clipvip import convert

    if arguments.to_official is not None:
        if arguments.clip is not None or arguments.out is not None:
            raise ValueError("--to-official goes with a folder alone; leave out --clip and --out")
        convert.to_official(arguments.source, arguments.to_official)
    elif arguments.clip is None or arguments.out is None:
        raise ValueError("an official checkpoint needs --clip and --out; a folder of ours --to-official")
    else:
        convert.from_official(arguments.source, arguments.clip, arguments.out)


def _embed(arguments: argparse.Namespace) -> int:
    from clipvip.encode import encode

    unreadable = encode(
        arguments.model,
        arguments.out,
        videos=arguments.videos,
        texts=arguments.texts,
        num_frames=arguments.num_frames,
        batch_size=arguments.batch_size,
        resize=arguments.resize,
        device=arguments.device,
    )
    if unreadable:
        print(f"clipvip: {unreadable} files are no readable video: {arguments.out}/unreadable.csv", file=sys.stderr)
    return SOME_UNREADABLE if unreadable else 0


def parser() -> argparse.ArgumentParser:
    """All commands with their flags."""
    top = argparse.ArgumentParser(prog="clipvip", description="CLIP-ViP as a laboratory.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("run", help="make cells from their spec files, in order; finished ones are left alone")
    one.add_argument("spec", type=Path, nargs="+", help="results/specs/<stage>-<key>.json")
    one.add_argument("--live", metavar="URI", help="show training at this MLflow store as it goes")
    one.add_argument("--live-experiment", default="live", help="its experiment (default: live)")
    _add_how(one)
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

    one = commands.add_parser("clean", help="list (with --yes remove) cells that no study of the experiments asks for")
    one.add_argument("experiment", type=Path, nargs="+", help="YAML files of all experiments that share the results")
    one.add_argument("--yes", action="store_true", help="remove them")
    one.set_defaults(do=_clean)

    one = commands.add_parser("table", help="a study's table, tests and verdicts from its finished cells")
    one.add_argument("plan", type=Path, help="results/<experiment>/studies/<study>/plan.json")
    one.set_defaults(do=_table)

    one = commands.add_parser("show", help="print studies: results with intervals, and the verdict on each claim")
    one.add_argument("study", type=Path, nargs="+", help="study folders, for example results/mini/studies/main")
    one.set_defaults(do=_show)

    one = commands.add_parser("track", help="bring MLflow up to date with cells; without a plan, create the store")
    one.add_argument("plan", type=Path, nargs="*", help="results/<experiment>, or studies/<study>/plan.json below it")
    one.add_argument("--uri", required=True, help="MLflow tracking URI")
    one.add_argument("--artifacts", type=Path, help="artifact folder of a new store")
    one.set_defaults(do=_track)

    one = commands.add_parser("sweep", help="an Optuna sweep: create its study, work on its trials, write its best")
    one.add_argument("do_what", choices=["create", "work", "finish"], help="create, then workers, then finish")
    one.add_argument("plan", type=Path, help="results/<experiment>/sweeps/<name>/plan.json")
    one.add_argument("--worker", type=int, default=0, help="number of this worker, for its seed (default: 0)")
    one.add_argument("--uri", help="finish: MLflow tracking URI to mirror the trials into")
    _add_how(one)
    one.set_defaults(do=_sweep)

    one = commands.add_parser("report", help="gather the studies in one offline page")
    one.add_argument("study", type=Path, nargs="+", help="study folders")
    one.add_argument("--out", type=Path, required=True, help="the page")
    one.set_defaults(do=_report)
    data_commands.add(commands)
    _add_model_commands(commands)
    return top


def _add_how(one: Any) -> None:
    one.add_argument("--device", default="cpu", help="torch device: cuda:0, under torchrun cuda (default: cpu)")
    one.add_argument("--workers", type=int, default=0, help="processes that decode ahead (default: none)")
    one.add_argument("--micro-batch", type=int, help="train with this many clips in memory at a time (default: all)")
    one.add_argument("--compile", choices=get_args(Compiler), help="torch.compile the video encoder (default: not)")
    one.add_argument("--recompute", action="store_true", help="recompute activations: less memory, a third more time")
    one.add_argument("--checkpoint-seconds", type=float, help="time between checkpoints of training (default: 120)")


def _add_model_commands(commands: Any) -> None:
    one = commands.add_parser("convert", help="the authors' checkpoint to a model folder, or a folder back to it")
    one.add_argument("source", type=Path, help="an official checkpoint (.pt), or a model folder with --to-official")
    one.add_argument("--clip", help="CLIP folder or hub id of that shape: its configuration and tokenizer are taken")
    one.add_argument("--out", type=Path, help="the model folder to write")
    one.add_argument("--to-official", type=Path, metavar="OUT.pt", help="write a model folder in the official layout")
    one.set_defaults(do=_convert)

    one = commands.add_parser("embed", help="embed a folder of videos, a file of texts, or both")
    one.add_argument("model", help="model folder, or hub id of a CLIP (then frames are averaged)")
    one.add_argument("--videos", type=Path, help="folder; every file below it but hidden ones is taken for a video")
    one.add_argument("--texts", type=Path, help="UTF-8 file, a text a line")
    one.add_argument("--out", type=Path, required=True, help="folder for the embeddings and their index")
    one.add_argument("--num-frames", type=positive, help="frames a video (default: the model's own number)")
    one.add_argument("--batch-size", type=positive, default=16, help="videos at a time; texts: 8 times as many")
    one.add_argument("--resize", choices=["squash", "crop"], default="squash", help="to a square (default: squash)")
    one.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    one.set_defaults(do=_embed)


def main(words: list[str] | None = None) -> int:
    """Run a command; a user's error is one line, exit code 1."""
    arguments = parser().parse_args(words)
    try:
        return arguments.do(arguments) or 0
    except ValueError as error:
        print(f"clipvip: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
