"""Which files of anybody's folder are videos or images, found by their endings, else by how they begin."""

import os
from dataclasses import dataclass
from pathlib import Path

from clipvip.data.media.file_header import IMAGE_ENDINGS, VideoError, check_header

VIDEO_ENDINGS = frozenset(
    ".mp4 .m4v .mov .qt .mkv .webm .avi .wmv .mpg .mpeg .mts .m2ts .ts .3gp .3g2 .flv .ogv .vob".split()  # noqa: SIM905
)
TEXT_ENDINGS = frozenset(
    ".csv .tsv .txt .json .jsonl .md .srt .vtt .xml .html .yaml .yml .py .log .pdf .xlsx .parquet".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Files:
    """Media of a folder as POSIX paths below it, in order; links that lead out of it; the number of other files."""

    media: tuple[str, ...]
    outside: tuple[str, ...]
    others: int


def files_of(folder: Path) -> Files:
    """The files below the folder, hidden ones left out. ValueError where there is no folder or no video in it."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of videos")
    root, media, outside, others = folder.resolve(), list[str](), list[str](), 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(place, name) for name in sorted(names) if not name.startswith(".")):
            shown = path.relative_to(folder).as_posix()
            if not is_media(path):
                others += 1
            elif not path.resolve().is_relative_to(root):
                outside.append(shown)
            else:
                media.append(shown)
    if not media:
        raise ValueError(f"{folder}: holds no videos")
    return Files(tuple(sorted(media)), tuple(sorted(outside)), others)


def is_media(path: Path) -> bool:
    """Whether the ending is that of a video or image, or an unknown ending hides a header of one."""
    ending = path.suffix.lower()
    if ending in VIDEO_ENDINGS or ending in IMAGE_ENDINGS:
        return True
    if ending in TEXT_ENDINGS:
        return False
    try:
        check_header(path)
    except VideoError:
        return False
    return True
