"""Real Snakemake, as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMOKE = "experiments/smoke.yaml"


def snakemake(*words: str, root: Path = ROOT, **settings: str) -> subprocess.CompletedProcess[str]:
    """What it said, in the checkout `root`; `settings` join the environment."""
    tools = Path(sys.executable).parent
    settings = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **settings}
    command = [str(tools / "snakemake"), "--cores", "all", *words]
    return subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, check=False)
