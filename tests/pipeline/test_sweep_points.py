"""Points of a space: within bounds, even, the same after a restart."""

import math
from collections import Counter
from typing import Any

import pytest

from clipvip.config.base import build
from clipvip.config.sweep import Range
from clipvip.pipeline.sweep_points import at, at_random, every, grid, size, spread

SPACE = {
    "rate": Range(low=1e-4, high=1e-2, log=True),
    "proxies": Range(low=1, high=3),
    "decay": Range(choices=(0.0, None, "x")),
    "std": Range(low=0.0, high=1.0, step=0.25),
}


@pytest.mark.parametrize("sequence", [spread, at_random])
def test_a_point_follows_from_its_number(sequence: Any) -> None:
    first = [sequence(SPACE, index, 7) for index in range(12)]
    assert [sequence(SPACE, index, 7) for index in reversed(range(12))] == first[::-1]
    assert [sequence(SPACE, index, 8) for index in range(12)] != first
    assert all(1e-4 <= point["rate"] <= 1e-2 for point in first)
    assert len({point["rate"] for point in first}) == 12


def test_the_sequence_is_even() -> None:
    """Of 27 points in a row each third of the decades and each choice has 9 or so."""
    for start in (0, 5):
        found = [spread(SPACE, index, 0) for index in range(start, start + 27)]
        thirds = Counter(int(3 * (math.log10(point["rate"]) + 4) / 2) for point in found)  # type: ignore[arg-type]
        assert set(thirds.values()) <= {8, 9, 10}
        for name in ("proxies", "decay"):
            assert set(Counter(point[name] for point in found).values()) <= {8, 9, 10}


@pytest.mark.parametrize(
    ("values", "places", "expected"),
    [
        (Range(choices=("a", "b")), (0.0, 0.49, 0.5, 0.999), ["a", "a", "b", "b"]),
        (Range(low=2, high=4), (0.0, 0.34, 0.67, 0.999), [2, 3, 4, 4]),
        (Range(low=2, high=9, step=3), (0.0, 0.5, 0.999), [2, 5, 8]),
        (Range(low=0.0, high=1.0), (0.0, 0.25), [0.0, 0.25]),
        (Range(low=0.0, high=0.3, step=0.1), (0.0, 0.5, 0.999), [0.0, 0.2, 0.30000000000000004]),
        (Range(low=1e-4, high=1e-2, log=True), (0.0, 0.5), [1e-4, 1e-3]),
        (Range(low=1, high=100, log=True), (0.0, 0.999), [1, 100]),
    ],
)
def test_a_place_in_a_range(values: Range, places: tuple[float, ...], expected: list[Any]) -> None:
    assert [at(values, place) for place in places] == pytest.approx(expected)


def test_a_space_is_counted_where_it_can_be() -> None:
    countable = {name: SPACE[name] for name in ("proxies", "decay", "std")}
    assert size(countable) == 3 * 3 * 5 == len({tuple(point.items()) for point in every(countable)})
    assert size(SPACE) == math.inf
    assert grid(SPACE["rate"]) is None


@pytest.mark.parametrize(
    "values",
    [
        {"low": 0.0, "high": 1.0, "log": True},
        {"low": 1.0, "high": 2.0, "log": True, "step": 0.1},
        {"low": 1.0, "high": 2.0, "step": 0.0},
        {"low": 1, "high": 5, "step": 0.5},
        {"choices": []},
        {"choices": [1, 1]},
        {"low": 2, "high": 1},
    ],
)
def test_a_range_that_no_trial_could_use_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="range"):
        build(Range, values, "range")
