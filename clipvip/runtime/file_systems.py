"""Which file system a path lies on, and what its locks are worth between machines."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

# Types that several machines may have mounted; sqlite's locks are not to be trusted there (sqlite.org/faq.html).
SHARED = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "glusterfs",
        "afs",
        "9p",
        "pvfs2",
        "orangefs",
        "panfs",
        "wekafs",
        "ocfs2",
        "gfs2",
        "sshfs",
        "juicefs",
        "s3fs",
        "mfs",
    )
)
LOCAL_LOCKS = frozenset(("localflock", "noflock", "nolock", "local_lock=all", "local_lock=flock"))


class Mount(NamedTuple):
    """A mounted file system."""

    place: str
    kind: str
    options: str  # with commas between


def mounts() -> list[Mount]:
    """All that are mounted here."""
    return [Mount(each.mountpoint, each.fstype, each.opts) for each in psutil.disk_partitions(all=True)]


def mount_of(path: Path, among: Iterable[Mount]) -> Mount | None:
    """The file system that an absolute path lies on; of several at one place the last, which hides the others."""
    found = None
    for mount in among:
        place = Path(mount.place)
        if path.is_relative_to(place) and (found is None or len(place.parts) >= len(Path(found.place).parts)):
            found = mount
    return found


def shared(mount: Mount) -> bool:
    """Whether other machines may have it too."""
    return mount.kind.removeprefix("fuse.") in SHARED


def locks_are_local(mount: Mount) -> bool:
    """Whether a lock there is seen on the machine that took it only."""
    return shared(mount) and not LOCAL_LOCKS.isdisjoint(mount.options.split(","))
