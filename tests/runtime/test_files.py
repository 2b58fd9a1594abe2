"""Files written whole: the content, nothing half written after a failure, and asked of the disk before the rename."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipvip.runtime import files
from clipvip.runtime.files import place, write_whole, written


def test_text_and_bytes_are_written_into_folders_that_were_not_there(tmp_path: Path) -> None:
    for name, content in (("a/text.json", "größer\n"), ("a/bytes.bin", b"\x00\xff")):
        write_whole(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["bytes.bin", "text.json"]


def test_a_writer_of_paths_gets_one_in_the_same_folder_with_the_same_ending(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    path.write_text("old")
    with written(path) as beside:
        assert (beside.parent, beside.suffix, beside.name[0]) == (tmp_path, ".npz", ".")
        beside.write_text("new")
        assert path.read_text() == "old", "readers see the old file until the new one is whole"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def _fail_half_way(path: Path, error: type[BaseException]) -> None:
    with written(path) as beside:
        beside.write_text("half of")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "note.json"
    path.write_text("old")
    with pytest.raises(error):
        _fail_half_way(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_rename_leaves_nothing_either(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", "a file")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), written(tmp_path / "none.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the disk, in order: `sync <name>` and `rename <name>`."""
    seen: list[str] = []
    sync, rename = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        seen.append(f"sync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")
        sync(handle)

    def replace(self: Path, target: Path) -> Path:
        seen.append(f"rename {self.name}")
        return rename(self, target)

    monkeypatch.setattr(files.os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    return seen


def test_the_file_is_on_disk_before_the_rename_and_its_name_after(tmp_path: Path, steps: list[str]) -> None:
    with written(tmp_path / "note.json") as beside:
        beside.write_text("note")
    assert steps == [f"sync {beside.name}", f"rename {beside.name}", f"sync {tmp_path.name}"]


def test_a_folder_is_placed_with_all_below_it_on_disk(tmp_path: Path, steps: list[str]) -> None:
    made = tmp_path / "made"
    (made / "model").mkdir(parents=True)
    (made / "model/weights").write_text("weights")
    (made / "receipt").write_text("receipt")
    place(made, tmp_path / "cell")
    assert sorted(steps[:4]) == ["sync made", "sync model", "sync receipt", "sync weights"]
    assert steps[4:] == ["rename made", f"sync {tmp_path.name}"]
    assert (tmp_path / "cell/model/weights").read_text() == "weights"


def test_a_lock_holds_where_there_is_no_fcntl(tmp_path: Path) -> None:
    """A second process waits until the first lets go."""
    lines = ["import sys", "sys.modules['fcntl'] = None", "from pathlib import Path"]
    lines += ["from clipvip.runtime.files import locked", f"folder = Path({str(tmp_path)!r})"]
    lines += ["with locked(folder / 'a.lock'):", "    before = len(list(folder.glob('*.held')))"]
    lines += ["    (held := folder / f'{sys.argv[1]}.held').touch()", "    import time; time.sleep(0.3)"]
    lines += ["    print(before, len(list(folder.glob('*.held')))); held.unlink()"]
    command = [sys.executable, "-c", "\n".join(lines)]
    both = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "ab"]
    assert [each.communicate(timeout=60)[0].split() for each in both] == [["0", "1"], ["0", "1"]]
