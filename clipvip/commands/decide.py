"""`clipvip decide`: what decides open claims cheapest, planned and, if asked, run."""

import argparse
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvip.commands import USUAL
from clipvip.commands.kinds import EXPERIMENT, PROCESSES, real, whole
from clipvip.commands.parsing import command

if TYPE_CHECKING:
    from clipvip.pipeline.decide import Decider, Move


def _decide(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline.decide import Decider

    studies = [Path(name).name for name in arguments.study]
    decider = Decider(arguments.experiment, studies, arguments.looks, arguments.cores)
    minutes = arguments.budget
    while True:
        if decider.begun:
            print(f"look {decider.used} of {decider.looks} was begun; it is run to its end")
        else:
            moves = decider.chosen(minutes)
            print(_told(decider, moves, minutes))
            if not moves or not arguments.run:
                return
            decider.begin(moves)
        started = time.monotonic()
        decider.finish(lambda files, targets: _workflow(files, targets, arguments.cores))
        minutes -= (time.monotonic() - started) / 60


def _told(decider: "Decider", moves: "list[Move]", minutes: float) -> str:
    """Where the lines stand, and the next step."""
    level = f"{0.05 / decider.looks:.1%}"
    said = [f"look {decider.used} of {decider.looks}, each at {level} over all lines of the experiment"]
    said += [f"  {line.primary.outcome:<28}{line.study}: {line.expectation.line}" for line in decider.lines()]
    if decider.used >= decider.looks:
        return "\n".join([*said, "all looks are taken; what is open stays open"])
    steps = [
        f"  {move.words:<16}{move.chance:>5.0%} to be decided, {move.seconds / 60:.1f} min: "
        f"{move.line.study}: {move.line.expectation.line}"
        for move in decider.moves()
    ]
    said += ["steps of the open lines:", *steps] if steps else ["no line is open"]
    if not moves:
        return "\n".join([*said, *([f"none fits into {minutes:.0f} minutes with a chance of 10 %"] if steps else [])])
    said.append(f"next: {len(moves)} of them together, {decider.seconds(moves) / 60:.1f} of {minutes:.0f} min")
    return "\n".join(said)


def _workflow(files: list[Path], targets: list[str], cores: int) -> None:
    """Let the workflow make the targets. ValueError where it fails."""
    command = ["snakemake", "--cores", str(cores), "--configfile", *map(str, files), "--", *targets]
    if subprocess.run(command, check=False).returncode != 0:
        raise ValueError("the workflow failed; `clipvip decide --run` goes on with the step when it is mended")


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = command(
        commands,
        "decide",
        _decide,
        "plan, with --run also run, the replicates or test sets that decide open claims cheapest",
        ["clipvip decide main", "clipvip decide main data_scale --budget 60 --looks 3 --run"],
        more="Doubles the replicates or the test sets of open claims, look by look. The number of looks is "
        "fixed before the first step, and each tests at its share of 5 %. Results grow in an experiment of their own, "
        "<experiment>_decided.",
    )
    one.add_argument("study", nargs="+", help="studies, by name or folder")
    one.add_argument(
        "--experiment", type=EXPERIMENT, nargs="+", default=[USUAL], help="YAML files (default: mini.yaml)"
    )
    one.add_argument(
        "--budget",
        type=real(high=1e6, of="number of minutes"),
        default=30.0,
        help="minutes, all steps together (default: 30)",
    )
    one.add_argument(
        "--looks", type=whole(1, 100), default=3, help="looks, that at today's results included (default: 3)"
    )
    one.add_argument("--cores", type=PROCESSES, default=2, help="cores of the workflow (default: 2)")
    one.add_argument("--run", action="store_true", help="run the steps; otherwise the next one is only shown")
