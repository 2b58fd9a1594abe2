"""The corpus stage: one corpus, however it is distributed, becomes one manifest with an account of every clip."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from clipvip.config.data import CorpusSettings
from clipvip.corpora import leakage
from clipvip.corpora.reading import Reading
from clipvip.data import manifest
from clipvip.data.clip_ids import Ids
from clipvip.data.media import checksums, tar_members
from clipvip.runtime.context import Run

TEST = "test:"  # role of an input: a downstream set whose test clips are left out


def make(settings: CorpusSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """Read the corpus at `settings.root` or `inputs["world"]` into `out/manifest.parquet`.

    Clips that are test clips of the corpora `inputs["test:<set>"]` are left out. Raises ValueError as `Reading.parts`
    does, for no clip at all, and for more missing and unreadable clips than `max_bad`.
    """
    root = inputs["world"] if settings.root is None else root_of(settings.root)
    tests = {role.removeprefix(TEST): folder for role, folder in inputs.items() if role.startswith(TEST)}
    reading = Reading(settings, root, leakage.Leaks.of(tests))
    with manifest.Writer(out, root=root, format=settings.format, max_bad=settings.max_bad) as table:
        for rows in reading.parts():
            table.add(rows)
        reading.account.stop_if_too_many(allowed=settings.max_bad, where=root)
        if table.empty:
            raise ValueError(f"{root}: no clip has both a file and a text")
    leakage.write(reading.test_clips, out)
    if settings.checksums:
        paths = Ids.distinct(pa.chunked_array([batch["path"] for batch in manifest.scan(out, ["path"])]))
        progress = tqdm(paths, desc="sha256", unit="file", disable=None)
        checksums.write({path: checksums.of(Path(root) / path) for path in progress}, out)
    return reading.account.facts(out)


def root_of(root: str) -> Path | str:
    """A folder, with ~ for the user's own; a URL as it is."""
    return root if tar_members.is_url(root) else Path(root).expanduser().resolve()
