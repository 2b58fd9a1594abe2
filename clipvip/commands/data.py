"""`clipvip check` and `clipvip prepare`: what is done to data before the workflow runs."""

import argparse
from typing import Any

from clipvip.commands import USUAL
from clipvip.commands.kinds import EXPERIMENT_OR_VIDEOS, NEW_FOLDER, PROCESSES, VIDEOS, real, whole
from clipvip.commands.parsing import command

SOME_UNREADABLE = 3  # exit code: finished, but some inputs were unreadable
PROBLEMS = 1  # exit code


def _check(arguments: argparse.Namespace) -> int:
    import json

    from clipvip.pipeline.check import check, listing
    from clipvip.pipeline.grid import load

    if arguments.decode:
        return _decode(arguments)
    found = check(load(arguments.experiment), verify=arguments.verify)
    print(json.dumps(found.facts(), indent=1, default=str) if arguments.json else listing(found))
    return PROBLEMS if found.problems else 0


def _decode(arguments: argparse.Namespace) -> int:
    from clipvip.pipeline.decode_check import decode_corpora, decode_folder
    from clipvip.pipeline.grid import load

    how = {"processes": arguments.workers}
    folders = [path for path in arguments.experiment if path.is_dir()]
    if (folders and len(folders) < len(arguments.experiment)) or len(folders) > 1:
        raise ValueError("check --decode: give one folder, or the YAML files of an experiment")
    if folders:
        problems = decode_folder(folders[0], arguments.report, **how)
    else:
        problems = decode_corpora(load(arguments.experiment), arguments.report, **how)
    print("\n".join(["", "problems:", *(f"  {each}" for each in problems)] if problems else ["", "no problem found"]))
    return PROBLEMS if problems else 0


def _prepare(arguments: argparse.Namespace) -> int:
    from clipvip.corpora.prepare import prepare
    from clipvip.data.media.transcode import Recipe

    part = {"processes": arguments.workers, "shard": arguments.shard, "num_shards": arguments.of}
    if arguments.shards is not None:
        receipt = _shards(arguments, part)
    else:
        quality = 23 if arguments.quality is None else arguments.quality
        recipe = Recipe(fps=arguments.fps, side=arguments.side, quality=quality)
        receipt = prepare(arguments.source, arguments.out, recipe, **part)
    print("\n".join(f"{name:<16}{value}" for name, value in receipt.items()))
    return SOME_UNREADABLE if receipt.get("num_unreadable") else 0


def _shards(arguments: argparse.Namespace, part: dict[str, int]) -> dict[str, Any]:
    from clipvip.corpora.shards import ShardRecipe, write_shards

    if len(arguments.source) > 1:
        raise ValueError("prepare --shards: give one corpus cell (results/cells/corpus/<key>), not several sources")
    given = {"clips": arguments.shards, "fps": arguments.fps, "side": arguments.side, "resize": arguments.resize}
    recipe = ShardRecipe(**given, quality=2 if arguments.quality is None else arguments.quality)
    return write_shards(arguments.source[0], arguments.out, recipe, **part)


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = command(
        commands,
        "check",
        _check,
        "count every corpus and compare with the literature; exit 1 if a headline number could not be compared",
        [
            "clipvip check experiments/base_32.yaml",
            "clipvip check experiments/base_32.yaml --verify --json",
            "clipvip check --decode videos --workers 8",
        ],
        more="Counts videos and texts of every corpus of an experiment from its annotations and files, without "
        "decoding: expected and found, missing, unreadable, duplicates, texts of several videos, test clips among "
        "what is trained on. Exit code 1 where a run would stop, or a test split is not the literature's.",
    )
    one.add_argument("experiment", type=EXPERIMENT_OR_VIDEOS, nargs="*", default=[USUAL], help="YAML files")
    one.add_argument("--verify", action="store_true", help="read every file and compare it with its recorded sha256")
    one.add_argument(
        "--decode", action="store_true", help="decode every video (or those of a folder) and write a health report"
    )
    one.add_argument("--workers", type=PROCESSES, default=1, help="--decode: processes (default: 1)")
    one.add_argument("--report", type=NEW_FOLDER, help="--decode: folder of the report and of its journal")
    one.add_argument("--json", action="store_true", help="print JSON instead of tables")
    _add_prepare(commands)


def _add_prepare(commands: Any) -> None:
    one = command(
        commands,
        "prepare",
        _prepare,
        "transcode a corpus or folder to small files; exit 3 if some were unreadable",
        [
            "clipvip prepare data/msrvtt --out data/msrvtt_small",
            "clipvip prepare videos --out small --fps 2 --side 128 --workers 8 --shard 0 --of 4",
            "clipvip prepare results/cells/corpus/<key> --shards 1000 --out shards",
        ],
    )
    one.add_argument("source", type=VIDEOS, nargs="+", help="folder; files that are not video or image are copied")
    one.add_argument("--out", type=NEW_FOLDER, required=True, help="the new folder: same paths, same annotations")
    one.add_argument(
        "--fps",
        type=real(above=True, high=1000.0, of="frame rate"),
        default=3.0,
        help="maximum frame rate, frames per second (default: 3)",
    )
    one.add_argument("--side", type=whole(2, 16384), default=224, help="maximum short side in pixels (default: 224)")
    one.add_argument(
        "--quality", type=whole(0, 51), help="lower is better: x264 rate factor (default: 23), --shards: JPEG (2)"
    )
    one.add_argument(
        "--shards",
        type=whole(),
        metavar="CLIPS",
        help="the source is a corpus cell, results/cells/corpus/<key>: write its training clips, in a drawn order, to "
        "tar shards of so many, which are read as a corpus of format webdataset",
    )
    one.add_argument("--resize", choices=["squash", "crop"], default="squash", help="--shards: as frames.resize")
    one.add_argument("--workers", type=PROCESSES, default=1, help="processes (default: 1)")
    one.add_argument("--shard", type=whole(0), default=0, help="index of this part, from 0 (default: 0)")
    one.add_argument("--of", type=whole(), default=1, help="number of parts, each a job of its own (default: 1)")
