"""Times of a copied results folder are put back, and of no other one."""

import os
import shutil
from pathlib import Path

import pytest

from clipvip.pipeline import copied
from clipvip.results import study_files

FIRST, THEN, COPIED = 1_700_000_000 * 10**9, 1_700_000_100 * 10**9, 1_800_000_000 * 10**9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    for name, time_ns in (("jobs/variant/a", FIRST), ("mini/studies/main/figure.png", THEN)):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
        os.utime(root / name, ns=(time_ns, time_ns))
    copied.remember(root, root / "mini")
    return root


def plain_copy(root: Path) -> Path:
    copy = root.with_name("copy")
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    for path in copy.rglob("*"):
        os.utime(path, ns=(COPIED, COPIED))
    return copy


def times(root: Path) -> list[int]:
    return [(root / name).stat().st_mtime_ns for name in ("jobs/variant/a", "mini/studies/main/figure.png")]


def test_a_copy_gets_the_times_of_the_original_once(root: Path) -> None:
    copy = plain_copy(root)
    assert copied.restore(copy, copy / "mini") == 2
    assert times(copy) == [FIRST, THEN]
    os.utime(copy / "jobs/variant/a")  # made anew
    now = times(copy)
    assert copied.restore(copy, copy / "mini") == 0
    assert times(copy) == now


def test_what_has_another_size_than_in_the_original_keeps_its_time(root: Path) -> None:
    copy = plain_copy(root)
    (copy / "jobs/variant/a").write_text("more than there was")
    assert copied.restore(copy, copy / "mini") == 1
    assert times(copy)[0] > THEN


def test_the_original_and_a_copy_with_its_times_are_left_alone(root: Path) -> None:
    os.utime(root / "jobs/variant/a", ns=(COPIED, COPIED))  # made anew since
    moved = root.with_name("moved")
    shutil.copytree(root, moved)  # keeps times, as `cp -a`, rsync and tar do
    for each in (root, moved):
        assert copied.restore(each, each / "mini") == 0
        assert times(each) == [COPIED, THEN]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"own": 1}', '{"own": 1, "times": {"jobs/variant/a": 3}}'])
def test_a_record_that_is_cut_or_of_another_form_is_none(root: Path, content: str) -> None:
    (root / "mini" / study_files.TIMES).write_text(content)
    before = times(root)
    assert copied.restore(root, root / "mini") == 0
    assert times(root) == before


def test_nothing_is_put_back_once_a_workflow_has_begun(root: Path) -> None:
    copied.forget(root / "mini")
    copy = plain_copy(root)
    assert copied.restore(copy, copy / "mini") == 0
    assert times(copy) == [COPIED, COPIED]
