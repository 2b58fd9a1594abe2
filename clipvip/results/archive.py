"""A study as one file: its tables and figures, and what its cells say, without models and media.

The file is a zip that is a Workflow Run RO-Crate (https://w3id.org/ro/wfrun/workflow). On arrival every file is
compared with its SHA-256; cells come in as results only, so the workflow makes them anew where it needs more of them.
"""

import csv
import hashlib
import io
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from clipvip.results import crate, study_files
from clipvip.results.finished import Finished, reach, read_plan, uses
from clipvip.runtime import cell_files, receipts
from clipvip.runtime.files import write_whole, written

SUMS = "sums.csv"
PLACES = re.compile(r"cells/[a-z_]+/\w[\w-]*/[a-z_]+\.[a-z]+|[\w-][\w.-]*/studies/[\w-][\w.-]*/[a-z_]+\.[a-z]+")
OF_CRATE = re.compile(r"ro-crate-metadata\.json|workflow/(rules/)?\w+(\.smk)?")
KEPT = frozenset(
    {
        *(cell_files.RECEIPT, cell_files.CONFIG, cell_files.SYSTEM, cell_files.HISTORY),
        *(cell_files.METRICS, cell_files.RANKS, cell_files.RETRIEVED, cell_files.GAZE, cell_files.QUALITY),
        *(cell_files.NMI, cell_files.POINTS, cell_files.STATISTICS, cell_files.OVERLAP),
    }
)
LARGEST = 1 << 30  # bytes of one file; ranks of a million queries are a tenth of it


def export(study: Path, out: Path) -> dict[str, int]:
    """Write a study's archive; how many cells and files are in it. ValueError: no study, or a cell is not finished."""
    plan = read_plan(study)
    root, wanted = Path(plan["results"]), {use.key for use in uses(plan)}
    cells = reach(root, wanted)
    if wanted - set(cells):
        raise ValueError(f"{study}: {len(wanted - set(cells))} of its {len(wanted)} cells are not finished")
    files = dict(_files(root, study, cells.values()))
    with tempfile.TemporaryDirectory() as place:
        described = crate.describe(Path(place), plan, files, cells)  # with the workflow's own files
        with written(out) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            rows = [("path", "bytes", "sha256")]
            for name, path in sorted({**files, **described}.items()):
                held = path.read_bytes()
                rows.append((name, str(len(held)), hashlib.sha256(held).hexdigest()))
                archive.writestr(_entry(name), held)
            sums = io.StringIO(newline="")
            csv.writer(sums).writerows(rows)
            archive.writestr(_entry(SUMS), sums.getvalue())
    return {"cells": len(cells), "files": len(files)}


def bring(archive: Path, root: Path) -> dict[str, int]:
    """Put an archive's study and cells below a results root; how many files came in, how many were there.

    ValueError: the file is cut or altered, names a place outside of the root, or another cell of the same key is there.
    """
    try:
        with zipfile.ZipFile(archive) as found:
            files = {row[0]: _checked(found, archive, *row) for row in _sums(found, archive)}
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{archive}: not a whole archive of a study ({error}); fetch it again") from None
    files = {name: held for name, held in files.items() if PLACES.fullmatch(name)}
    is_receipt = {name: name.endswith(f"/{cell_files.RECEIPT}") for name in files}
    for name in filter(is_receipt.get, files):
        _compare(root / PurePosixPath(name).parent, json.loads(files[name]), archive)
    new = [name for name in files if not (root / name).exists()]
    for name in sorted(new, key=lambda name: is_receipt[name]):  # last what makes a cell count as there
        held = files[name]
        if is_receipt[name]:
            held = json.dumps({**json.loads(held), receipts.PARTIAL: True}, indent=1).encode()
        write_whole(root / name, held)
    return {"came": len(new), "there": len(files) - len(new)}


def _files(root: Path, study: Path, cells: Iterable[Finished]) -> Iterable[tuple[str, Path]]:
    experiment, name = study.resolve().parent.parent.name, study.resolve().name
    for path in sorted(study.iterdir()):
        ours = path.is_file() and not path.name.startswith(".") and path.suffix  # markers of the workflow have none
        if ours and path.name != study_files.LINKS:  # they lead to a server of this place
            yield f"{experiment}/studies/{name}/{path.name}", path
    for cell in cells:
        for path in sorted(cell.folder.iterdir()):
            if path.is_file() and path.name in KEPT:
                yield f"cells/{cell.stage}/{cell.key}/{path.name}", path


def _entry(name: str) -> zipfile.ZipInfo:
    """Of one time and one form, so that the same study gives the same file."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _sums(found: zipfile.ZipFile, archive: Path) -> list[list[str]]:
    if SUMS not in found.namelist():
        raise ValueError(f"{archive}: has no {SUMS}; it was not written by `clipvip export`")
    rows = list(csv.reader(io.StringIO(_read(found, archive, SUMS).decode(errors="replace"))))[1:]
    named = {row[0] for row in rows}
    if any(len(row) != 3 for row in rows) or named != set(found.namelist()) - {SUMS}:
        raise ValueError(f"{archive}: its files are not those that {SUMS} lists; fetch it again")
    return rows


def _checked(found: zipfile.ZipFile, archive: Path, name: str, size: str, sha256: str) -> bytes:
    """The content of an entry that is where and what it should be."""
    if not (PLACES.fullmatch(name) or OF_CRATE.fullmatch(name)):
        raise ValueError(f"{archive}: {name!r} is no place of a study's file; nothing was written")
    held = _read(found, archive, name)
    if (str(len(held)), hashlib.sha256(held).hexdigest()) != (size, sha256):
        raise ValueError(f"{archive}: {name} differs from its SHA-256; fetch the file again")
    return held


def _read(found: zipfile.ZipFile, archive: Path, name: str) -> bytes:
    """One file; ValueError where it is larger than any of ours."""
    if found.getinfo(name).file_size > LARGEST:
        raise ValueError(f"{archive}: {name} claims {found.getinfo(name).file_size:,} bytes; nothing was read")
    with found.open(name) as file:
        held = file.read(LARGEST + 1)
    if len(held) > LARGEST:
        raise ValueError(f"{archive}: {name} is larger than it claims; nothing was read")
    return held


def _compare(folder: Path, coming: dict[str, object], archive: Path) -> None:
    there = receipts.read(folder)
    if there is not None and there.get("content") != coming.get("content"):
        raise ValueError(
            f"{folder}: a cell of this key is there with other content than in {archive}; import into another folder"
        )
