"""`make chaos`: the smoke grid under kills at random moments, the same plain command each time.

At the end every table, rank file, metric file and model must be that of an undisturbed run, byte for byte, and all else
but for what the clock wrote. The table it prints stands in docs/reliability.md.

    PYTHONPATH=tests python tests/chaos/kills.py [--kills 40] [--seed 0]
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
from laboratory import Laboratory, compare

KINDS = ("worker", "snakemake alone", "snakemake and its children", "everything at once", "worker, asked to stop")
FIRST, LAST = 2.0, 14.0  # seconds after a start at which a kill may come


def strike(kind: str, laboratory: Laboratory, command: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Kill in this way; whether anything was there to kill."""
    if kind.startswith("worker"):
        workers = laboratory.workers()
        if not workers:
            return False
        _send(chance.choice(workers), signal.SIGTERM if "asked" in kind else signal.SIGKILL)
        return True
    if command.poll() is not None:
        return False
    if kind == "snakemake alone":
        command.kill()
    elif kind == "snakemake and its children":
        os.killpg(command.pid, signal.SIGKILL)
    else:
        for process in laboratory.processes():
            _send(process, signal.SIGKILL)
    command.wait()
    return True


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return


def disturbed(laboratory: Laboratory, kills: int, chance: random.Random) -> collections.Counter[str]:
    """Kill until it was enough, then let the command end; how often in each way."""
    counted: collections.Counter[str] = collections.Counter()
    starts, command = 1, laboratory.start()
    while counted.total() < kills:
        time.sleep(chance.uniform(FIRST, LAST))
        kind = KINDS[counted.total() % len(KINDS)]
        if command.poll() is None and strike(kind, laboratory, command, chance):
            counted[kind] += 1
            print(f"{counted.total():>3} of {kills}: {kind}", flush=True)
        if command.poll() is not None:
            if command.returncode == 0:  # all was made before it was killed often enough
                shutil.rmtree(laboratory.place / "results" / "cells" / "evaluate")
            command, starts = laboratory.start(), starts + 1
    command.wait()
    while command.returncode != 0:
        command, starts = laboratory.start(), starts + 1
        command.wait()
        assert starts < 10 * kills, (laboratory.place / "said.log").read_text()[-4000:]
    counted["starts of the command"] = starts
    return counted


def main() -> int:
    """Run both, print the table; 1 where anything differs or is left behind."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--kills", type=int, default=40)
    given.add_argument("--seed", type=int, default=0)
    arguments = given.parse_args()
    with tempfile.TemporaryDirectory() as place:
        calm, wild = Laboratory(Path(place) / "calm"), Laboratory(Path(place) / "wild")
        command = calm.start()
        if command.wait() != 0:
            print((calm.place / "said.log").read_text()[-4000:])
            return 1
        counted = disturbed(wild, arguments.kills, random.Random(arguments.seed))
        rows = [(kind, str(number)) for kind, number in counted.items()]
        failed = False
        for what, number, differ in compare(calm.place / "results", wild.place / "results"):
            rows.append((f"{what} compared", f"{number}, {len(differ)} differ"))
            failed |= bool(differ)
            for each in differ:
                print(f"{what}: {each}")
        left = [str(path.relative_to(wild.place)) for path in (wild.place / "results" / "work").glob("*")]
        rows.append(("folders of unfinished work left", str(len(left))))
        print("\n".join(["| what | count |", "|---|---|", *(f"| {what} | {count} |" for what, count in rows)]))
        return int(failed or bool(left))


if __name__ == "__main__":
    raise SystemExit(main())
