"""One SLURM for all tests of this folder; skipped, with the reason, where there can be none."""

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm import Slurm, install


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A SLURM with nothing in its queue; what is drained or down in a test is put right there."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip('Snakemake\'s executor is not installed: pip install -e ".[cluster]"')
    if why := install():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="slurm-") as place, Slurm(Path(place)) as started:
        yield started
