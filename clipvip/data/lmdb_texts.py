"""An LMDB of texts keyed by clip id, as CLIP-ViP's authors keep their subtitles and captions (facts section 8).

LMDB maps its file into memory: of one that is cut short, or whose bits have flipped, the process that reads it is ended
by the system. So a process of its own reads it and hands the entries over.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE = "data.mdb"
MAGIC = 0xBEEFC0DE.to_bytes(4, "little")


def is_database(path: Path) -> bool:
    """A folder with a data.mdb, or a file whose name ends in .mdb or .lmdb."""
    return (path / FILE).is_file() or (path.is_file() and path.suffix in (".mdb", ".lmdb"))


def pairs(path: Path) -> Iterator[tuple[str, str]]:
    """(clip id, text) of every entry, by id; read only. ValueError: no whole LMDB, or other than UTF-8 in it."""
    command = [sys.executable, "-m", "clipvip.data.lmdb_texts", str(path.absolute())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        try:
            for line in reader.stdout:
                found = json.loads(line)
                if isinstance(found, str):
                    raise ValueError(f"{path}: {found}")
                yield found[0], found[1]
        except BaseException:  # also where whoever reads has had enough
            reader.kill()
            raise
        said, code = reader.stderr.read().decode(errors="replace").strip(), reader.wait()
    if code != 0:
        how = signal.Signals(-code).name if code < 0 else (said.splitlines() or ["no reason given"])[-1]
        raise ValueError(f"{path}: cut short or damaged, its reader ended with {how}; fetch it again")


def _read(path: Path) -> None:
    """Write each entry to stdout as a line of JSON, or what is wrong as a JSON string."""
    import lmdb

    file = path / FILE if path.is_dir() else path
    with open(file, "rb") as held:
        head = held.read(44)  # of the first of the two meta pages
    page = int.from_bytes(head[40:], "little") if head[16:20] == MAGIC else 0
    if page and file.stat().st_size % page:  # LMDB would read zeros in place of the rest
        print(json.dumps(f"cut short: {file.stat().st_size} bytes are no whole pages of {page}"))
        return
    try:
        base = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, create=False)
        with base, base.begin() as transaction:
            for key, value in transaction.cursor():
                try:
                    entry: object = (bytes(key).decode(), bytes(value).decode())
                except UnicodeDecodeError:
                    entry = f"entry {bytes(key)[:80]!r} is not UTF-8 text"
                print(json.dumps(entry))
    except lmdb.Error as error:
        print(json.dumps(f"no LMDB: {error}"))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        _read(Path(sys.argv[1]))
