"""Where a sweep keeps its trials, refused where that would not be safe."""

from collections.abc import Sequence
from pathlib import Path

from clipvip.runtime.file_systems import Mount, locks_are_local, mount_of, shared
from clipvip.runtime.stores import JOURNAL

__all__ = ["JOURNAL", "checked"]


def checked(store: str | None, results: Path, mounted: Sequence[Mount]) -> str | None:
    """The URL of the store, or None for the journal; `mounted` is what is mounted here.

    ValueError: sqlite on a file system that several machines share, or locks that other machines do not see.
    """
    under = mount_of(results.resolve(), mounted)
    if under is not None and locks_are_local(under):
        raise ValueError(
            f"{results}: {under.place} ({under.kind}) is mounted with locks that other machines do not see "
            f"({under.options}); mount it with locking, or run all workers on one machine with local results"
        )
    if store is None or not store.startswith("sqlite"):
        return store
    file = Path(store.split(":///", 1)[-1].split("?")[0]).resolve()
    on = mount_of(file, mounted)
    if on is not None and shared(on):
        raise ValueError(
            f"store {store}: sqlite cannot be shared over {on.kind} ({on.place}); leave `store` out for Optuna's "
            "journal, or name a database server"
        )
    return store
