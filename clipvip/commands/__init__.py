"""The command line: flags to functions, nothing else."""

from pathlib import Path

USUAL = Path("experiments/mini.yaml")  # the experiment where none is named
