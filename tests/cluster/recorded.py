"""An `sbatch` before SLURM's own: writes down how it is called, and submits a job that only leaves the markers behind.

The workflow, its executor and SLURM are the real ones; SLURM takes or refuses each request as it would the real job's.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from laboratory import Laboratory

SCRIPT = """\
#!/usr/bin/env python3
import base64, json, os, re, shlex, sys, zlib

wrap = next(i for i, word in enumerate(sys.argv) if word.startswith("--wrap="))
text = sys.argv[wrap]
if tasks := re.search(r"array-execs=(\\S+)", text):  # the members of an array but for the first
    packed = json.loads(base64.b64decode(shlex.split(tasks[1])[0]))
    text += " ".join(zlib.decompress(bytes.fromhex(each)).decode() for each in packed.values())
targets = dict.fromkeys(re.findall(r"--target-jobs '?(\\w+):job=(\\w+)", text))
with open({log!r}, "a") as log:
    words = [word for i, word in enumerate(sys.argv[1:], 1) if i != wrap]
    log.write(json.dumps([[rule for rule, _ in targets], words]) + "\\n")
markers = " ".join(shlex.quote(f"results/jobs/{{rule}}/{{job}}") for rule, job in targets)
folders = " ".join(f"results/jobs/{{rule}}" for rule, _ in targets)
sys.argv[wrap] = f"--wrap=mkdir -p {{folders}} && touch {{markers}}"
os.execv({real!r}, ["sbatch", *sys.argv[1:]])
"""


@dataclass(frozen=True)
class Line:
    """What a job, or an array of them, asked SLURM for."""

    rule: str
    jobs: int
    words: list[str]

    def asked(self) -> dict[str, str]:
        """Option -> value of those that say what is asked for; empty for one without a value."""
        text = " ".join(self.words)
        found = re.findall(r"(?:^| )(--?[a-z-]+)(?:[ =](?!-)(\S+))?", text)
        own = {"--parsable", "--job-name", "--output", "--export", "--comment"}
        return {option: value for option, value in found if option not in own and option != "-D"}


def submitted(laboratory: Laboratory, *words: str) -> list[Line]:
    """Run a command of snakemake to its end with jobs that do nothing; how each was submitted."""
    real, log = shutil.which("sbatch"), laboratory.place / "sbatch.log"
    assert real is not None
    before = laboratory.place / "before"
    before.mkdir()
    (before / "sbatch").write_text(SCRIPT.format(log=str(log), real=real))
    (before / "sbatch").chmod(0o755)
    tools = Path(shutil.which("snakemake") or "").parent
    command = laboratory.start(*words, PATH=os.pathsep.join([str(before), str(tools), os.environ["PATH"]]))
    try:
        code = command.wait(540)
    except subprocess.TimeoutExpired:
        command.kill()
        raise
    assert code == 0, (laboratory.place / "said.log").read_text()[-4000:]
    found = (json.loads(line) for line in log.read_text().splitlines())
    return [Line(rules[0], len(rules), words) for rules, words in found]
