"""`clipvip plan`: what an experiment will take, before anything is spent on it."""

import argparse
import os
import re
import sys
from typing import Any

from clipvip.commands import USUAL
from clipvip.commands.kinds import EXPERIMENT, Place, real, whole
from clipvip.commands.parsing import command

RATES = Place("a table of cards and hosts")
SIZE = re.compile(r"(?P<name>[^=]+)=(?P<clips>[\d_.e+]+)(:(?P<seconds>[\d_.e+]+)(:(?P<width>\d+)x(?P<height>\d+))?)?")


def _plan(arguments: argparse.Namespace) -> None:
    from datetime import datetime

    from clipvip.config.base import merge
    from clipvip.pipeline.grid import read_named

    data: Any = read_named(arguments.experiment)
    for name, size in arguments.size:
        data = merge(data, {"sizes": {name: size}})
    os.environ.setdefault("OMP_NUM_THREADS", str((data.get("run") or {}).get("threads", 1)))  # before torch is loaded
    from clipvip.pipeline.forecast import told, whole

    found, rates = whole.predicted(
        data, arguments.gpu, arguments.rates, share=arguments.share, parallel=arguments.parallel, tell=_tell
    )
    title = f"{data.get('name', 'experiment')} on {rates.gpu.name}"
    now = datetime.now()
    print(told.as_json(found, rates, now) if arguments.json else told.table(found, rates, title, now))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def size(word: str) -> tuple[str, dict[str, Any]]:
    """argparse type: NAME=CLIPS, NAME=CLIPS:SECONDS or NAME=CLIPS:SECONDS:WIDTHxHEIGHT."""
    try:
        if (found := SIZE.fullmatch(word)) is None:
            raise ValueError
        stated: dict[str, Any] = {"clips": {"train": round(float(found["clips"]))}}
        stated |= {"seconds": float(found["seconds"])} if found["seconds"] else {}
        stated |= {key: int(found[key]) for key in ("width", "height") if found[key]}
    except (ValueError, OverflowError):  # the latter: more than a float holds
        raise argparse.ArgumentTypeError(
            f"{word!r} is not NAME=CLIPS[:SECONDS[:WIDTHxHEIGHT]], e.g. webvid=2.5e6:18:596x336"
        ) from None
    return found["name"], stated


def add(commands: Any) -> None:
    """The command with its flags."""
    one = command(
        commands,
        "plan",
        _plan,
        "what an experiment will take: time, GPU-hours, memory, disk, energy, and which limits do not fit",
        [
            "clipvip plan",
            "clipvip plan experiments/base_32.yaml --gpu h100 --parallel 8",
            "clipvip plan experiments/base_32.yaml --gpu h100 --size webvid=2.5e6:18:596x336",
        ],
        more="Times small samples of every stage on this machine; with --gpu computes from a table of rates. "
        "Nothing is written to the results.",
    )
    one.add_argument(
        "experiment", type=EXPERIMENT, nargs="*", default=[USUAL], help="YAML files, later ones over earlier ones"
    )
    one.add_argument("--gpu", metavar="NAME", help="compute for this card of the table, for example h100")
    one.add_argument("--rates", type=RATES, metavar="FILE", help="another table of cards and hosts (YAML)")
    one.add_argument(
        "--share",
        type=real(0.0, 1.0, above=True, of="share"),
        help="share of the card's peak that training reaches (default: the table's)",
    )
    one.add_argument(
        "--parallel", type=whole(), metavar="N", help="jobs at a time (default: as many as there are cores)"
    )
    one.add_argument("--size", type=size, action="append", default=[], metavar="NAME=CLIPS[:SECONDS[:WIDTHxHEIGHT]]",
                     help="size of a corpus that is not there yet; once for each")  # fmt: skip
    one.add_argument("--json", action="store_true", help="print JSON")
