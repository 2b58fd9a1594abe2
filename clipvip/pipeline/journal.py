"""Optuna's journal of the sweeps: a JSON object a line, in the order in which they were written."""

import json
from pathlib import Path


def broken(path: Path) -> tuple[int, str] | None:
    """Where the first line that is no entry begins [bytes], and what is wrong; None in a whole journal.

    What a process that died left of the last line ends no line; the next one to write cuts it off.
    """
    at = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return at, f"line {number}, its last, is cut"
            try:
                whole = isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                whole = False
            if not whole:
                return at, f"line {number} is no entry of a journal"
            at += len(line)
    return None


def is_cut(path: Path, at: int) -> bool:
    """Whether all that is broken is a last line without its end."""
    with open(path, "rb") as file:
        file.seek(at)
        return not file.readline().endswith(b"\n")


def cut_off(path: Path, at: int) -> None:
    """Keep what is before `at`."""
    with open(path, "rb+") as file:
        file.truncate(at)
