"""Whether a run of the workflow makes all studies; its jobs in processes of their own are told by the environment."""

import os
from collections.abc import Iterable

TOLD = "CLIPVIP_WHOLE"
ALL = frozenset({"all", "ablate_all", "report"})


def tell(targets: Iterable[object], page: str) -> bool:
    """Of the targets of a command: none is all, and so is the page. Remembered for the processes it starts."""
    asked = {str(each) for each in targets}
    found = not asked or bool(asked & (ALL | {page}))
    os.environ[TOLD] = "yes" if found else "no"
    return found


def told() -> bool:
    """What the process that began it all said."""
    return os.environ.get(TOLD, "yes") == "yes"
