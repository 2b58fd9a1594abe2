"""What lies in a folder of videos: how many, how long, how large, which ones cannot be opened."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError
from clipvip.data.media.video import duration_of, frame_times, read_frames
from clipvip.data.video_folder import Files, files_of
from clipvip.runtime.shown import Shown

NAMED: Shown = 5  # names in a line


@dataclass(frozen=True)
class Video:
    """One file that can be opened; an image lasts 0 s."""

    path: str
    seconds: float
    height: int
    width: int


@dataclass(frozen=True)
class Look:
    """All files of a folder."""

    files: Files
    videos: tuple[Video, ...]
    unreadable: tuple[tuple[str, str], ...]  # path, reason

    def lines(self) -> list[str]:
        """For a terminal."""
        seconds = [video.seconds for video in self.videos]
        sizes = Counter(f"{video.width} x {video.height}" for video in self.videos).most_common(3)
        found = [f"videos      {len(self.videos)} can be opened"]
        if seconds:
            middle = statistics.median(seconds)
            found.append(
                f"duration    {sum(seconds) / 60:.1f} min in all; median {middle:.1f} s, {min(seconds):.1f} to "
                f"{max(seconds):.1f} s"
            )
            found.append(f"frames      {', '.join(f'{size} ({count})' for size, count in sizes)}")
        if self.unreadable:
            named = few([f"{path} ({reason})" for path, reason in self.unreadable])
            found.append(f"unreadable  {len(self.unreadable)} left out: {named}")
        if self.files.outside:
            found.append(
                f"links       {len(self.files.outside)} lead out of the folder, left out: {few(self.files.outside)}"
            )
        if self.files.others:
            found.append(f"others      {self.files.others} files that are no videos")
        return found


def look(folder: Path) -> Look:
    """Open every video of the folder and read its first frame. ValueError where not one can be read."""
    files, videos, unreadable = files_of(folder), list[Video](), list[tuple[str, str]]()
    for path in tqdm(files.media, desc="looking at", unit="file", disable=None):
        try:
            videos.append(_opened(folder, path))
        except VideoError as error:
            unreadable.append((path, error.reason))
    if not videos:
        first, reason = unreadable[0]
        raise ValueError(f"{folder}: not one of {len(unreadable)} videos can be read; {first}: {reason}")
    return Look(files, tuple(videos), tuple(unreadable))


def _opened(folder: Path, path: str) -> Video:
    duration = duration_of(frame_times(folder / path))
    height, width = read_frames(folder / path, [0]).shape[1:3]
    return Video(path, duration, height, width)


def same_content(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Each path -> the first path whose file has the same bytes; only files of equal size are read."""
    by_size: dict[int, list[str]] = {}
    for path in paths:
        by_size.setdefault((folder / path).stat().st_size, []).append(path)
    first: dict[str, str] = {}
    for alike in by_size.values():
        seen: dict[str, str] = {}
        for path in alike:
            content = checksums.of(folder / path).sha256 if len(alike) > 1 else ""
            first[path] = seen.setdefault(content, path)
    return first


def few(names: Sequence[str]) -> str:
    """The first names of many; signs that a terminal would obey are written out."""
    said = [printable(name) for name in names[:NAMED]]
    return ", ".join(said) + (", ..." if len(names) > NAMED else "")


def printable(text: str) -> str:
    """A file's name as one safe line: control signs and bytes that are no text are written as escapes."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode() for sign in text
    )
