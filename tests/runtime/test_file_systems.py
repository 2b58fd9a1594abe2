"""Which file system a path lies on, told from tables of mounts as machines have them."""

from pathlib import Path

import pytest

from clipvip.runtime.file_systems import Mount, locks_are_local, mount_of, mounts, shared

TABLE = [
    Mount("/", "ext4", "rw,relatime"),
    Mount("/data", "nfs4", "rw,vers=4.2,local_lock=none"),
    Mount("/data/scratch", "xfs", "rw"),
    Mount("/lustre", "lustre", "rw,flock"),
    Mount("/old", "ext4", "rw"),
    Mount("/old", "fuse.sshfs", "rw"),
]


@pytest.mark.parametrize(
    ("path", "place", "kind"),
    [
        ("/home/x", "/", "ext4"),
        ("/data", "/data", "nfs4"),
        ("/data/x/y", "/data", "nfs4"),
        ("/database/x", "/", "ext4"),  # a longer name, not a folder below
        ("/data/scratch/x", "/data/scratch", "xfs"),
        ("/old/x", "/old", "fuse.sshfs"),  # the later mount hides the earlier
    ],
)
def test_a_path_lies_on_the_nearest_mount(path: str, place: str, kind: str) -> None:
    found = mount_of(Path(path), TABLE)
    assert found is not None
    assert (found.place, found.kind) == (place, kind)


def test_what_other_machines_may_have() -> None:
    assert [shared(each) for each in TABLE] == [False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("lustre", "rw,flock", False),
        ("lustre", "rw,localflock", True),
        ("lustre", "rw,noflock", True),
        ("nfs", "rw,vers=3,local_lock=none", False),
        ("nfs", "rw,vers=3,nolock,local_lock=all", True),
        ("ext4", "rw,nolock", False),  # one machine alone has it
    ],
)
def test_locks_that_others_do_not_see(kind: str, options: str, expected: bool) -> None:
    assert locks_are_local(Mount("/x", kind, options)) == expected


def test_this_machine_has_a_root() -> None:
    assert mount_of(Path("/"), mounts()) is not None
