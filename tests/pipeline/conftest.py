"""A results folder with the cells of one corpus, and a store in memory."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from one_corpus import cells_of_a_corpus, jobs_at, run_them

from clipvip.pipeline.jobs import Jobs


@pytest.fixture
def ours(tmp_path: Path) -> tuple[Jobs, list[str]]:
    """A results folder with the cells of one corpus, and their names."""
    jobs = jobs_at(tmp_path / "ours")
    made = cells_of_a_corpus(jobs)
    run_them(jobs, made)
    return jobs, made


@pytest.fixture
def url() -> Iterator[str]:
    """A store in memory."""
    yield "memory://bucket/results"
    if fsspec.filesystem("memory").exists("/bucket"):
        fsspec.filesystem("memory").rm("/bucket", recursive=True)
