"""Tar shards that mean harm: headers that claim gigabytes, names that lead away, links, sparse members, huge clips."""

import io
import os
import resource
import tarfile
from pathlib import Path

import pytest
from video_files import ramp, write_video

from clipvip.corpora.account import Account
from clipvip.corpora.leakage import Leaks
from clipvip.corpora.webdataset import parts
from clipvip.data.media import tar_members

SIX = 6 << 30


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    return write_video(tmp_path / "clip.mp4", ramp(6)).read_bytes()


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", **changes: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def rows(folder: Path) -> tuple[list[str], Account]:
    account = Account()
    found = [path for part in parts(str(folder), account, Leaks.of({})) for path in part["path"]]
    return found, account


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_of_six_gigabytes_is_not_read(tmp_path: Path, clip: bytes, kind: bytes) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with tarfile.open(folder / "0.tar", "w") as tar:
        add(tar, "a.mp4", clip)
        add(tar, "a.txt", b"a dog")
        head = tarfile.TarInfo("x")
        head.type, head.size = kind, SIX
        tar.fileobj.write(head.tobuf(tarfile.GNU_FORMAT))
    os.truncate(folder / "0.tar", SIX + (1 << 20))  # a hole in the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, account = rows(folder)
    assert found == ["0.tar/a.mp4"]
    assert [entry["reason"] for entry in account.unreadable] == [f"torn tar: a header of {SIX:,} bytes"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10  # KB


def test_links_devices_and_sparse_members_are_no_clips(tmp_path: Path, clip: bytes) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with tarfile.open(folder / "0.tar", "w") as tar:
        for name, kind in (("b", tarfile.SYMTYPE), ("c", tarfile.LNKTYPE), ("d", tarfile.FIFOTYPE)):
            add(tar, f"{name}.mp4", type=kind, linkname="/etc/passwd")
            add(tar, f"{name}.txt", b"told")
        add(tar, "e.mp4", clip)
        add(tar, "e.txt", b"a dog")
    found, account = rows(folder)
    assert found == ["0.tar/e.mp4"]
    assert sorted(account.missing) == ["b", "c", "d"]


@pytest.mark.parametrize("name", ["../../away/x.mp4", "/etc/x.mp4", "a/../../x.mp4"])
def test_a_name_that_leads_away_is_never_a_place_on_this_disk(tmp_path: Path, clip: bytes, name: str) -> None:
    """Clips are read by their range of bytes, under a name of our own."""
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    with tarfile.open(folder / "0.tar", "w") as tar:
        add(tar, name, clip)
        add(tar, f"{name[:-4]}.txt", b"a dog")
    before = sorted(tmp_path.rglob("*"))
    found, _ = rows(folder)
    for path in found:
        with tar_members.as_file(clip, path) as file:
            assert file.name.startswith("clip-")
            assert file.suffix == ".mp4"
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/etc/x.mp4").exists()


def test_a_clip_of_six_gigabytes_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with tarfile.open(folder / "0.tar", "w") as tar:
        head = tarfile.TarInfo("a.mp4")
        head.size = SIX
        tar.fileobj.write(head.tobuf(tarfile.GNU_FORMAT))
    os.truncate(folder / "0.tar", SIX + (1 << 20))
    found, account = rows(folder)
    assert found == []
    assert account.missing or f"{SIX:,} bytes" in account.unreadable[0]["reason"]
