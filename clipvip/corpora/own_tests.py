"""Clips for training that are test clips of their own set: the same file, the same bytes, the same moments.

A clip that shows what a test clip shows is left out, always. One that was cut elsewhere from the same source video
(YouTube id, film, or the file itself) is left out too, unless the split is published like that or `same_source` says
to keep it; then it is counted.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import Clip, Media
from clipvip.data.media import checksums

SHARING = ("msrvtt",)  # formats whose published split has clips of one source video on both sides
Span = tuple[float, float]  # seconds
Located = tuple[Clip, Media, Path]  # a clip, where it lies below the root, and its file


@dataclass(frozen=True)
class Leak:
    """Which test clip a clip for training is, or comes from."""

    test: str
    how: Literal["id", "file", "content", "moments", "source video"]

    @property
    def said(self) -> str:
        """For people: `video7020, by content`."""
        return f"{self.test}, by {self.how}"


def keeps_same_source(settings: CorpusSettings) -> bool:
    """Whether clips from the source video of a test clip stay."""
    if settings.same_source is not None:
        return settings.same_source == "keep"
    return settings.format in SHARING


class OwnTests:
    """The test clips of one set, by id, file, content and source video."""

    def __init__(self, tests: Iterable[Clip] = (), located: Iterable[Located] = ()) -> None:
        """`tests`: all that are annotated; `located`: those with a file."""
        self._ids = {clip.clip_id for clip in tests}
        self._files: defaultdict[tuple[int, int], list[tuple[str, Span]]] = defaultdict(list)
        self._sizes: defaultdict[int, dict[Path, tuple[int, int]]] = defaultdict(dict)
        self._sources: defaultdict[str, list[tuple[str, Span | None]]] = defaultdict(list)
        self._sums: dict[Path, str] = {}
        for clip, media, path in located:
            stat = path.stat()
            file = (stat.st_dev, stat.st_ino)
            self._files[file].append((clip.clip_id, _span(media)))
            self._sizes[stat.st_size].setdefault(path, file)
        for clip in tests:
            if clip.origin:
                self._sources[clip.origin].append((clip.clip_id, clip.cut))

    def is_test(self, clip: Clip) -> Leak | None:
        """A clip of another split that has the id of a test clip."""
        return Leak(clip.clip_id, "id") if clip.split != "test" and clip.clip_id in self._ids else None

    def leak(self, clip: Clip, media: Media, path: Path) -> Leak | None:
        """What a clip of another split shares with a test clip; the worst of it."""
        if clip.split == "test" or not self._ids:
            return None
        stat = path.stat()
        own, same = _span(media), self._files.get((stat.st_dev, stat.st_ino), [])
        how: Literal["file", "content"] = "file" if same else "content"
        same = same or self._same_content(path, stat.st_size)
        for test, span in same:
            if _overlap(own, span):
                return Leak(test, how)
        sources = self._sources.get(clip.origin, []) if clip.origin else []
        for test, cut in sources:
            if cut is not None and clip.cut is not None and _overlap(cut, clip.cut):
                return Leak(test, "moments")
        from_same = next(iter([*same, *sources]), None)
        return Leak(from_same[0], "source video") if from_same else None

    def _same_content(self, path: Path, size: int) -> list[tuple[str, Span]]:
        """Test clips whose file holds the same bytes; only files of the same size are read."""
        rivals = self._sizes.get(size)
        if not rivals:
            return []
        own = checksums.of(path).sha256
        return next((self._files[file] for rival, file in rivals.items() if self._sum(rival) == own), [])

    def _sum(self, path: Path) -> str:
        if path not in self._sums:
            self._sums[path] = checksums.of(path).sha256
        return self._sums[path]


def _span(media: Media) -> Span:
    return media.start or 0.0, float("inf") if media.end is None else media.end


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
