"""Clips inside tar shards: a range of bytes in a shard, on this machine or behind any URL that fsspec opens.

A member's path is `<shard>.tar/<member>`; where it begins and how long it is was written into the manifest, so that a
clip is one ranged read, in any order. Nothing is ever unpacked under a name that a shard chose.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import fsspec

MARK = ".tar/"


def is_url(root: str) -> bool:
    """Whether a root is behind a protocol of fsspec rather than a folder."""
    return "://" in root


def shards(root: str) -> list[str]:
    """Names of the tar files directly below a folder or URL, in order. ValueError where there are none."""
    try:
        files, place = fsspec.core.url_to_fs(root)
        found = sorted(files.glob(f"{place.rstrip('/')}/*.tar"))
    except (ImportError, OSError, ValueError) as error:
        raise ValueError(f"{root}: {error}") from None
    if not found:
        raise ValueError(f"{root}: no *.tar; check `root`")
    return [PurePosixPath(name).name for name in found]


def read(root: str, path: str, offset: int, size: int) -> bytes:
    """The bytes of a member. OSError where the shard is gone or cut short."""
    shard = path.split(MARK)[0] + MARK.rstrip("/")
    files, place = fsspec.core.url_to_fs(root)  # of this process: connections do not survive a fork
    found: bytes = files.cat_file(f"{place.rstrip('/')}/{shard}", start=offset, end=offset + size)
    if len(found) < size:
        raise OSError(f"{len(found)} of {size} bytes")
    return found


@contextlib.contextmanager
def as_file(content: bytes, path: str) -> Iterator[Path]:
    """A member's bytes as a file with its ending while the `with` lasts."""
    with tempfile.NamedTemporaryFile(prefix="clip-", suffix=PurePosixPath(path).suffix) as file:
        file.write(content)
        file.flush()
        yield Path(file.name)
