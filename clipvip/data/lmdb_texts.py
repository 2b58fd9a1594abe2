"""An LMDB of texts keyed by clip id, as CLIP-ViP's authors keep their subtitles and captions (facts section 8)."""

from collections.abc import Iterator
from pathlib import Path

import lmdb

FILE = "data.mdb"


def is_database(path: Path) -> bool:
    """A folder with a data.mdb, or a file whose name ends in .mdb or .lmdb."""
    return (path / FILE).is_file() or (path.is_file() and path.suffix in (".mdb", ".lmdb"))


def pairs(path: Path) -> Iterator[tuple[str, str]]:
    """(clip id, text) of every entry, by id; read only. ValueError for what is no LMDB or holds other than UTF-8."""
    try:
        base = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, create=False)
    except lmdb.Error as error:
        raise ValueError(f"{path}: no LMDB: {error}") from None
    with base, base.begin() as transaction:
        for key, value in transaction.cursor():
            try:
                yield bytes(key).decode(), bytes(value).decode()
            except UnicodeDecodeError:
                raise ValueError(f"{path}: entry {bytes(key)[:80]!r} is not UTF-8 text") from None
