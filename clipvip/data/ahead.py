"""Clips read one by one for work that goes through them once, in order: by processes ahead of it, if there are any."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from clipvip.data.media.file_header import VideoError

Item = TypeVar("Item")
Found = TypeVar("Found")


def read_ahead(read: Callable[[Item], Found], items: Sequence[Item], workers: int) -> Iterator[Found | VideoError]:
    """`read` of each item in order, or the VideoError that it raised; `workers` processes (0: none) read ahead."""
    reading = _Reading(read, items)
    if workers == 0 or len(items) < 2:
        yield from (reading[i] for i in range(len(items)))
        return
    yield from DataLoader(
        reading,
        batch_size=None,
        num_workers=min(workers, len(items)),
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # the loader draws a seed at its start; not from what training draws from
    )


class _Reading(Dataset[Found | VideoError], Generic[Item, Found]):
    """Runs in the processes."""

    def __init__(self, read: Callable[[Item], Found], items: Sequence[Item]) -> None:
        self._read, self._items = read, items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Found | VideoError:
        try:
            return self._read(self._items[place])
        except VideoError as error:
            return error


def _as_it_is(found: Any) -> Any:
    return found
