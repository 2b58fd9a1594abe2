"""What happens to jobs on a cluster, done on purpose to those of a real SLURM."""

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from slurm import MEMORY, Slurm, tell

TRAINING = ("clip", "captioner", "variant")
HOG = """
import os, sys, time
from pathlib import Path
group = Path(sys.argv[1])
for pid in {pid for path in group.rglob("cgroup.procs") for pid in path.read_text().split()}:
    Path(f"/proc/{pid}/oom_score_adj").write_text("1000")  # these before this process
limit = int((group / "memory.limit_in_bytes").read_text())
held = []
(group / "cgroup.procs").write_text(str(os.getpid()))
while len(held) << 23 < 1.1 * limit:
    held.append(b"x" * (1 << 23))
    time.sleep(0.01)
"""
COMMENT = re.compile(r"rule_(\w+?)_wildcards_(\w+)")


class Events:
    """Events for running jobs, one at a time; each returns what it did, or nothing where no job was fit for it."""

    def __init__(self, slurm: Slurm, results: Path, chance: random.Random) -> None:
        self.slurm, self.results, self.chance = slurm, results, chance
        self.kinds: dict[str, Callable[[], str]] = {
            "time limit in the middle of training": self.time_limit,
            "requeue": self.requeue,
            "pre-emption with time of grace": self.preemption,
            "cancelled job": self.cancel,
            "drained node": self.drain,
            "node down": self.down,
        }
        if MEMORY.is_dir():
            self.kinds["out of memory"] = self.out_of_memory

    def time_limit(self) -> str:
        """Shorten the limit of a job that trains, so that it is warned; then give it its time back."""
        job = self._pick(TRAINING, saved=True)
        if not job:
            return ""
        shown = self._shown(job)
        found = re.search(r"RunTime=(\d+):(\d+):(\d+) TimeLimit=(\S+)", shown)
        assert found
        hours, minutes, seconds, before = int(found[1]), int(found[2]), int(found[3]), found[4]
        if not hours and not minutes and seconds < 40:  # no real limit is so near to the start
            return ""
        restarts = self._restarts(job)
        tell("scontrol", "update", f"jobid={job}", f"TimeLimit={60 * hours + minutes + 2}")
        self.slurm.wait_for(lambda: self._restarts(job) > restarts or self._ended(job), "the warned job", 120)
        ended = self._ended(job)
        if not ended:
            tell("scontrol", "update", f"jobid={job}", f"TimeLimit={before}")
        return f"job {job} was warned and {'was done in time' if ended else 'had itself requeued'}"

    def requeue(self) -> str:
        """Have SLURM start a job again."""
        job = self._pick()
        if job:
            tell("scontrol", "requeue", job)
        return f"job {job}" if job else ""

    def preemption(self) -> str:
        """A job of higher priority takes both nodes; the others are asked to end, and requeued."""
        job = self._pick()
        if not job:
            return ""
        restarts = self._restarts(job)
        words = ["--parsable", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--time=5"]
        urgent = tell("sbatch", *words, "--wrap=sleep 2")
        self.slurm.wait_for(lambda: self.slurm.jobs()[urgent][0] == "COMPLETED", "the urgent job", 180)
        return f"job {job} was {'requeued' if self._restarts(job) > restarts else 'ended in its grace'}"

    def cancel(self) -> str:
        """Cancel a job."""
        job = self._pick()
        if job:
            tell("scancel", job)
        return f"job {job}" if job else ""

    def drain(self) -> str:
        """Drain the node of a job and send the job elsewhere, while no other may start there."""
        return self._node("drain")

    def down(self) -> str:
        """A node is down with its jobs on it."""
        return self._node("down")

    def out_of_memory(self) -> str:
        """Somebody uses up the memory of a job: the kernel kills the largest process that it may."""
        job = self._pick(TRAINING, saved=True)
        group = next(MEMORY.glob(f"slurm_n*/uid_0/job_{job}/step_0"), None) if job else None
        if group is None:
            return ""
        hog = subprocess.Popen([sys.executable, "-c", HOG, str(group)])
        try:
            self.slurm.wait_for(lambda: self._ended(job), "the killed job", 90)
        finally:
            hog.kill()
            hog.wait()
        return f"job {job} ended as {self.slurm.jobs()[job][0]}"

    def hurry(self) -> None:
        """Let requeued jobs start at once; SLURM waits two minutes."""
        said = subprocess.run(
            ["squeue", "--noheader", "--states=PD", "--format", "%i %r %k"], capture_output=True, text=True
        )
        for job, why, comment in (line.split(maxsplit=2) for line in said.stdout.splitlines()):
            if why == "BeginTime" and COMMENT.search(comment):
                subprocess.run(["scontrol", "update", f"jobid={job}", "StartTime=now"], capture_output=True)

    def _node(self, state: str) -> str:
        job = self._pick()
        node = re.search(r"\bNodeList=(n\d)", self._shown(job)) if job else None
        if node is None:
            return ""
        tell("scontrol", "update", f"nodename={node[1]}", f"state={state}", "reason=test")
        if state == "drain":
            tell("scontrol", "requeue", job)
        time.sleep(self.chance.uniform(5, 10))
        if self.slurm.nodes()[node[1]].startswith(("drain", "down")):  # one that is down may come back by itself
            tell("scontrol", "update", f"nodename={node[1]}", "state=resume")
        self.slurm.wait_for(lambda: set(self.slurm.nodes().values()) <= {"idle", "mixed"}, "the nodes", 90)
        return f"{node[1]}, job {job}"

    def _pick(self, rules: tuple[str, ...] = (), *, saved: bool = False) -> str:
        """A running job of the workflow; `saved`: whose training has saved a checkpoint."""
        found = []
        for job, (_, comment) in self.slurm.jobs(states="R").items():
            named = COMMENT.search(comment)
            if named and (not rules or named[1] in rules) and (not saved or self._saves(named[2], named[1])):
                found.append(job)
        return self.chance.choice(sorted(found)) if found else ""

    def _saves(self, job: str, rule: str) -> bool:
        log = self.results / "logs" / rule / f"{job}.log"
        keys = re.findall(r"specs/\w+-([0-9a-f]{12})\.json", log.read_text()) if log.exists() else []
        return any(path for key in keys for path in (self.results / "work").glob(f"{key}-*/step-*.pt"))

    def _shown(self, job: str) -> str:
        return tell("scontrol", "show", "job", job)

    def _restarts(self, job: str) -> int:
        found = re.search(r"Restarts=(\d+)", self._shown(job))
        assert found
        return int(found[1])

    def _ended(self, job: str) -> bool:
        return self.slurm.jobs()[job][0] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
