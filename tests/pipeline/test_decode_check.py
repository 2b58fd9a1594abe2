"""`clipvip check --decode` as a command, on a folder with a file of each kind that it tells apart."""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from barcode_kinds import KINDS

from clipvip.__main__ import main
from clipvip.corpora.media_health import JOURNAL, NAME

TOLD = {  # kind of the barcodes -> kind of the report
    "h264 mp4": "",
    "turned 90": "rotated",
    "variable rate mp4": "variable rate",
    "edit list": "edit list",
    "10 bit": "more than 8 bit",
    "joined ts": "spliced",
    "av1 mkv": "no key frames",
    "two streams mkv": "several streams",
}
REFUSED = ("cut mkv", "song with a cover", "no video at all", "picture changes its size")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each kind, and a copy of the first; what they are made of lies elsewhere."""
    made, there = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("own") / "videos"
    for name in (*TOLD, *REFUSED):
        path = made / f"{name}.{KINDS[name].ending}"
        KINDS[name].make(path)
        there.mkdir(exist_ok=True)
        shutil.copy(path, there)
    shutil.copy(there / "h264 mp4.mp4", there / "copy.mp4")
    (there / "captions.csv").write_text("path,text\n")
    return there


def report(out: Path) -> dict[str, dict[str, str]]:
    with open(out / NAME, newline="", encoding="utf-8") as file:
        return {row["path"].rsplit(".", 1)[0]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_folder_is_reported_kind_by_kind(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    code = main(["check", "--decode", str(folder), "--report", str(tmp_path), "--workers", workers])
    said, rows = capsys.readouterr().out, report(tmp_path)
    assert code == 1
    assert set(rows) == {*TOLD, *REFUSED, "copy"}
    for name, kind in TOLD.items():
        assert rows[name]["reason"] == "", name
        assert (kind in rows[name]["kinds"].split("; ")) if kind else not rows[name]["kinds"], name
    for name in REFUSED:
        assert KINDS[name].refused in rows[name]["reason"]
        assert f"  {name}.{KINDS[name].ending}: {rows[name]['reason']}" in said
    assert rows["copy"]["sha256"] == rows["h264 mp4"]["sha256"]
    for line in ("1 of 13 files: rotated", "1 of 13 files: same content as another", "problems:"):
        assert line in said
    assert f"videos: {len(REFUSED)} of 13 files cannot be read" in said
    frames, kept = (sum(int(row[column]) for row in rows.values()) for column in ("frames", "kept"))
    assert f"prepare would keep {kept:,} of {frames:,} frames" in said
    assert frames == 60 * 7 + 32 + 120  # the edit list shows some, the joined stream is two


def test_sound_files_leave_with_0(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own").mkdir()
    shutil.copy(folder / "turned 90.mp4", tmp_path / "own")
    assert main(["check", "--decode", str(tmp_path / "own")]) == 0
    assert "no problem found" in capsys.readouterr().out
    assert set(report(tmp_path / "own.health")) == {"turned 90"}  # beside the folder, not in it


def test_a_stopped_run_goes_on_and_decodes_nothing_twice(folder: Path, tmp_path: Path) -> None:
    """The run stops where the journal may not grow any more: a full disk, in the middle of a line."""
    words = ["check", "--decode", str(folder), "--report", str(tmp_path)]
    stopped = subprocess.run(
        [sys.executable, "-m", "clipvip", *words],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY)),
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in stopped.stderr
    assert not (tmp_path / NAME).exists()
    before = (tmp_path / JOURNAL).read_text()
    assert not before.endswith("}\n")
    whole = [line for line in before.splitlines() if line.endswith("}")]
    assert 0 < len(whole) < 12
    assert main(words) == 1
    after = (tmp_path / JOURNAL).read_text()
    assert after.startswith(before)
    paths = [json.loads(line)["path"] for line in after.splitlines() if line.endswith("}")]
    assert len(paths) == len(set(paths)) == 13
    assert len(report(tmp_path)) == 13
    (folder / "copy.mp4").touch()  # changed since: it alone is looked at again
    assert main(words) == 1
    paths = [json.loads(line)["path"] for line in (tmp_path / JOURNAL).read_text().splitlines() if line.endswith("}")]
    assert (len(paths), paths[-1]) == (14, "copy.mp4")
