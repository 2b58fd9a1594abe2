"""Why a cell is not there, in the words of schedulers: what the process itself or the scheduler says of its end.

The note lies where that of any failed cell does (results/failed), until the cell is made.
"""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from clipvip.pipeline.store import failure_path, receipt
from clipvip.runtime import receipts
from clipvip.runtime.files import write_whole

Verdict = Literal["TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "PREEMPTED"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def record(specs: Iterable[Path], verdict: Verdict, said: str = "") -> list[str]:
    """Note a verdict for those cells of the spec files that are not finished; their names `<stage>/<key>`.

    A study's row and `clipvip cells` then show `<verdict>: <said>`.
    """
    found = []
    for spec in specs:
        root, (stage, key) = spec.parent.parent, spec.stem.split("-", 1)
        if receipt(root, f"{stage}/{key}") is None:
            reason = f"{verdict}: {said}" if said else verdict
            note = json.dumps({"reason": reason, "verdict": verdict}) + "\n"
            write_whole(failure_path(root, f"{stage}/{key}"), note)
            found.append(f"{stage}/{key}")
    return found


def recorded(spec: Path) -> str | None:
    """The verdict that stands for a spec's cell; None where there is none."""
    note = receipts.read_json(failure_path(spec.parent.parent, spec.stem.replace("-", "/", 1)))
    return str(note["verdict"]) if note and note.get("verdict") in VERDICTS else None


def withdraw(specs: Iterable[Path]) -> None:
    """Take back what earlier attempts said: another one begins."""
    for spec in specs:
        if recorded(spec) is not None:
            with contextlib.suppress(OSError):
                failure_path(spec.parent.parent, spec.stem.replace("-", "/", 1)).unlink(missing_ok=True)


def of_error(error: BaseException) -> Verdict | None:
    """What a scheduler would call this end of a stage: torch's error of a full GPU, and Python's of a full memory."""
    full = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return "OUT_OF_MEMORY" if full else None
