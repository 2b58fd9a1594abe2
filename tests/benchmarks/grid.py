"""Processor seconds of a grid at an old commit and at the present code, by rule, taken side by side on one machine.

    python tests/benchmarks/grid.py                      # a slice: the smallest world, every kind of cell
    python tests/benchmarks/grid.py --full               # the one-seed grid of mini.yaml
    python tests/benchmarks/grid.py --old d8599f0

Each side is checked out by `git worktree` and run by `snakemake ablate_all` into an empty results folder, with the old
commit's experiment and studies, so that both make the same cells. Both run at once on half of the cores each: a machine
that slows down does so for both. The time of a job is that of its process and of all that it started. A job that a warm
process forks is timed by what it reports; what is left of the total (Snakemake, notebooks, the warm process itself) is
the last line.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOG = "BENCH_LOG"  # names the file that jobs append to
# Before any command of the package: at the end of the process, its time and that of its children.
HOOK = """
import atexit, json, os, resource, sys
def _said():
    # the warm process itself is part of the rest: its children are the jobs
    if os.getpid() == _me[0] and os.environ.get("BENCH_LOG") and not sys.argv[0].endswith("warm_server.py"):
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        line = {"words": sys.argv[1:], "seconds": sum(each.ru_utime + each.ru_stime for each in used)}
        with open(os.environ["BENCH_LOG"], "a") as file:
            file.write(json.dumps(line) + "\\n")
_me = [os.getpid()]
os.register_at_fork(after_in_child=lambda: _me.__setitem__(0, os.getpid()))
if sys.argv[0].endswith("clipvip") or "clipvip" in " ".join(sys.orig_argv[:4]):
    atexit.register(_said)
"""
SPEC = re.compile(r"\w+-[0-9a-f]+\.json")
Times = dict[str, float]


def kind(words: list[str]) -> str:
    """What a job is called in the table: its command, and for cells the stages that it makes."""
    if not words or words[0] != "run":
        return words[0] if words else "other"
    stages = dict.fromkeys(Path(word).name.split("-")[0] for word in words if SPEC.fullmatch(Path(word).name))
    return "run " + "+".join(stages)


def by_rule(log: Path, total: float) -> Times:
    """Seconds by kind of job, largest first, and what no job reports."""
    times: defaultdict[str, float] = defaultdict(float)
    for line in log.read_text().splitlines():
        read = json.loads(line)
        times[kind(read["words"])] += read["seconds"]
    found = dict(sorted(times.items(), key=lambda pair: -pair[1]))
    return found | {"workflow, notebooks and the rest": total - sum(times.values())}


def started(code: Path, experiment: str, folder: Path, cores: int) -> subprocess.Popen[bytes]:
    """The grid by the code in `code`, into `folder`."""
    hook, log = folder / "hook", folder / "log"
    hook.mkdir(parents=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    log.touch()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # snakemake and clipvip lie beside python
    environment = os.environ | {"PATH": path, "PYTHONPATH": f"{hook}:{code}", LOG: str(log)}
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", str(cores), "--configfile", experiment]
    command += ["--config", f"results={folder / 'results'}", "--", "ablate_all"]
    with open(folder / "output", "w") as output:
        return subprocess.Popen(command, cwd=code, env=environment, stdout=output, stderr=subprocess.STDOUT)


def measured(sides: dict[str, Path], experiment: str, folder: Path, cores: int) -> dict[str, Times]:
    """Seconds of each side by kind of job; `sides`: name -> its code."""
    running = {side: started(code, experiment, folder / side, cores) for side, code in sides.items()}
    found: dict[str, Times] = {}
    try:
        for side, process in running.items():
            _, status, used = os.wait4(process.pid, 0)
            if status != 0:
                raise SystemExit(f"{side}: {(folder / side / 'output').read_text()[-3000:]}")
            found[side] = by_rule(folder / side / "log", used.ru_utime + used.ru_stime)
            print(f"{side}: {sum(found[side].values()):.1f} s", file=sys.stderr, flush=True)
    finally:
        for process in running.values():
            process.terminate()
    return found


def table(old: Times, new: Times) -> str:
    """Markdown: a line a kind of job, and the ratio of the totals."""
    lines = ["| job | old [s] | new [s] |", "|---|---|---|"]
    lines += [f"| {name} | {old.get(name, 0):.1f} | {new.get(name, 0):.1f} |" for name in old | new]
    sums = sum(old.values()), sum(new.values())
    return "\n".join([*lines, f"| all | {sums[0]:.1f} | {sums[1]:.1f} |", f"\nratio {sums[1] / sums[0]:.3f}"])


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", default="d8599f0", help="commit to compare with")
    parser.add_argument("--full", action="store_true", help="mini.yaml in place of smoke.yaml")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    experiment = f"experiments/{'mini' if arguments.full else 'smoke'}.yaml"
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, Path] = {}
        try:
            for side, commit in {"old": arguments.old, "new": "HEAD"}.items():
                sides[side] = Path(folder) / f"{side}-code"
                subprocess.run([*git, "add", "--detach", "--quiet", str(sides[side]), commit], check=True)
                files = [experiment, "experiments/studies.yaml"]
                checkout = ["git", "-C", str(sides[side]), "checkout", "--quiet", arguments.old, "--", *files]
                subprocess.run(checkout, check=True)
            found = measured(sides, experiment, Path(folder), max(1, arguments.cores // 2))
        finally:
            for code in sides.values():
                subprocess.run([*git, "remove", "--force", str(code)], check=False)
        print(table(found["old"], found["new"]))


if __name__ == "__main__":
    main()
