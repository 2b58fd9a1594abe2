"""A text column streamed from disk: its length, and random access to rows, without loading it."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int


class Column:
    """The texts of Arrow arrays, in order; `parts` gives the arrays anew each time that it is called."""

    def __init__(self, parts: Callable[[], Iterator[Any]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return sum(map(len, self._parts()))

    def take(self, rows: Int[np.ndarray, " rows"]) -> list[str]:
        """The texts of these rows, in their order; IndexError for a row that is not there."""
        wanted, place = np.unique(rows, return_inverse=True)
        found: list[str] = []
        before = 0
        for part in self._parts():
            own = wanted[(wanted >= before) & (wanted < before + len(part))] - before
            found += part.take(pa.array(own)).to_pylist()
            before += len(part)
        if len(found) < len(wanted):
            raise IndexError(f"rows {wanted[0]} to {wanted[-1]} of {before} texts")
        return [found[row] for row in place.tolist()]
