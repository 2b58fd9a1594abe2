"""Texts of a user's videos: a csv whose columns go by the usual names, or a text file beside each video."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clipvip.corpora.formats.annotation import Split, clean
from clipvip.corpora.formats.border import Border
from clipvip.corpora.formats.folder import NAME as ANNOTATIONS
from clipvip.corpora.own.look import few

NAMES = ("captions.csv", ANNOTATIONS)  # looked for in the folder, the first that is there is read
COLUMNS = {  # of the folder format -> how others call them, in lower case
    "path": ("path", "file", "filename", "file_name", "video", "video_path", "video_id", "image", "name"),
    "text": ("text", "caption", "sentence", "description", "query"),
    "start": ("start", "start_time", "begin"),
    "end": ("end", "end_time", "stop"),
    "clip_id": ("clip_id",),
    "split": ("split",),
    "source": ("source_video", "source", "origin", "scene"),
}
SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Row:
    """A text of a video of the folder; an empty `split` or `source` was not given."""

    path: str
    text: str
    start: str = ""
    end: str = ""
    clip_id: str = ""
    split: str = ""
    source: str = ""


@dataclass(frozen=True)
class Captions:
    """Rows whose video lies in the folder; names of the others; texts that were empty; the columns that were there."""

    rows: tuple[Row, ...]
    absent: tuple[str, ...]
    empty: int
    columns: frozenset[str]


def read(path: Path, media: Sequence[str]) -> Captions:
    """The table at `path`, its videos found among `media` by path, by name, or by name without ending.

    ValueError where it has no columns for path and text, or a name fits several files.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file of captions")
    finder, rows, absent, empty = _Finder(media, path), list[Row](), list[str](), 0
    columns: dict[str, str] = {}
    border = Border()
    for number, record in border.csv_rows(path):
        columns = columns or _columns(path, list(record))
        given = {ours: record[theirs].strip() for ours, theirs in columns.items()}
        found = finder.find(given["path"], number)
        if found is None:
            absent.append(given["path"])
        elif not clean(given["text"]):
            empty += 1
        else:
            split = _split(given["split"], path, number) if "split" in given else ""
            rows.append(Row(**{**given, "path": found, "text": clean(given["text"]), "split": split}))
    border.refuse()  # a table written by hand is mended before anything is built on it
    return Captions(tuple(rows), tuple(dict.fromkeys(absent)), empty, frozenset(columns))


def beside(folder: Path, media: Iterable[str]) -> Captions:
    """A text file with the name of a video holds its texts, a line each."""
    rows = []
    for path in media:
        texts = (folder / path).with_suffix(".txt")
        if texts.is_file():
            lines = texts.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            rows += [Row(path, clean(line)) for line in lines if clean(line)]
    return Captions(tuple(rows), (), 0, frozenset({"path", "text"}))


def _columns(path: Path, header: list[str]) -> dict[str, str]:
    """Our name of a column -> its name in the file."""
    lower = {name.strip().lower(): name for name in reversed(header)}
    found = {
        ours: lower[next(n for n in names if n in lower)] for ours, names in COLUMNS.items() if set(names) & set(lower)
    }
    for needed in ("path", "text"):
        if needed not in found:
            known = ", ".join(COLUMNS[needed])
            raise ValueError(f"{path}: no column for the {needed} (one of {known}); the header is {','.join(header)!r}")
    return found


def _split(word: str, path: Path, number: int) -> Split:
    if word.lower() not in SPLITS:
        raise ValueError(f"{path}: line {number}: split {word!r} is none of train, val, test")
    return SPLITS[word.lower()]


class _Finder:
    """Videos by what a table may call them: path, path without ending, name, name without ending."""

    def __init__(self, media: Sequence[str], table: Path) -> None:
        self._table = table
        self._known: list[dict[str, list[str]]] = [{}, {}, {}, {}]
        for path in media:
            pure = PurePosixPath(path)
            for names, key in zip(self._known, (path, str(pure.with_suffix("")), pure.name, pure.stem), strict=True):
                names.setdefault(key, []).append(path)

    def find(self, name: str, number: int) -> str | None:
        """The file, None where there is none."""
        wanted = name.replace("\\", "/").removeprefix("./")
        for names in self._known:
            if found := names.get(wanted):
                if len(found) > 1:
                    raise ValueError(f"{self._table}: line {number}: {name!r} may be {few(found)}; give its path")
                return found[0]
        return None


def template(media: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Rows of a table to fill in."""
    yield "path", "text"
    yield from ((path, "") for path in media)
