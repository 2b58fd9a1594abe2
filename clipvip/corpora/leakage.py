"""Test clips of the downstream sets, so that nothing is trained on them: known by id, by origin and by content.

A corpus with a test split leaves `test_clips.csv` beside its manifest; the corpora for pre-training read it.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from clipvip.data import manifest
from clipvip.data.media import checksums
from clipvip.runtime.files import written

NAME = "test_clips.csv"
COLUMNS = ("clip_id", "path", "origin")


@dataclass(frozen=True)
class TestClip:
    """A test clip: its id, its file (POSIX, below the media root), and the id of the video it was cut from, or ""."""

    __test__ = False  # pytest takes the name for a test

    clip_id: str
    path: str
    origin: str = ""

    @property
    def names(self) -> set[str]:
        """All that it may be called elsewhere."""
        return names(self.clip_id, self.path, self.origin)


def names(clip_id: str, path: str, origin: str | None) -> set[str]:
    """The id, the name of the file without its ending, and the video's own id."""
    return {name for name in (clip_id, PurePosixPath(path).name.rsplit(".", 1)[0], origin) if name}


def write(clips: Iterable[TestClip], folder: Path) -> None:
    """`test_clips.csv`; no file where there is no test clip."""
    rows = [astuple(clip) for clip in clips]
    if rows:
        with written(folder / NAME) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])


def read(folder: Path) -> list[TestClip]:
    """What `write` left in the folder of a corpus; none where it has no test split."""
    if not (folder / NAME).is_file():
        return []
    with open(folder / NAME, encoding="utf-8", newline="") as file:
        return [TestClip(**row) for row in csv.DictReader(file)]


@dataclass
class Leaks:
    """Finds clips that are test clips of these sets: set -> (root of its files, its test clips)."""

    sets: dict[str, tuple[Path, list[TestClip]]] = field(default_factory=dict)

    @classmethod
    def of(cls, corpora: dict[str, Path]) -> "Leaks":
        """Of the cells of downstream corpora, by name."""
        return cls({name: (manifest.media_root(folder), read(folder)) for name, folder in corpora.items()})

    def named(self, clip_id: str, path: str, origin: str | None) -> str | None:
        """The test clip (`msrvtt/video7020`) that goes by one of this clip's names, and how it was known."""
        found = next(filter(None, map(self._by_name.get, sorted(names(clip_id, path, origin)))), None)
        return f"{found}, by id" if found else None

    def same_content(self, size: int, read: Callable[[], bytes]) -> str | None:
        """The test clip whose file holds these bytes; only files of the same size are read."""
        rivals = self._by_size.get(size)
        if not rivals:
            return None
        own = hashlib.sha256(read()).hexdigest()
        found = next((name for name, path in rivals.items() if self._sum(path) == own), None)
        return f"{found}, by content" if found else None

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {
            name: f"{set_}/{clip.clip_id}"
            for set_, (_, clips) in self.sets.items()
            for clip in clips
            for name in clip.names
        }

    @cached_property
    def _by_size(self) -> dict[int, dict[str, Path]]:
        found: dict[int, dict[str, Path]] = {}
        for set_, (root, clips) in self.sets.items():
            for clip in clips:
                if (root / clip.path).is_file():
                    size = (root / clip.path).stat().st_size
                    found.setdefault(size, {})[f"{set_}/{clip.clip_id}"] = root / clip.path
        return found

    @cached_property
    def _sums(self) -> dict[Path, str]:
        return {}

    def _sum(self, path: Path) -> str:
        if path not in self._sums:
            self._sums[path] = checksums.of(path).sha256
        return self._sums[path]
