"""Points of a sweep's space without a sampler: a quasi-random sequence, and all points where they can be counted.

Point i of a sequence follows from the seed and i alone, so a restarted sweep or a further worker goes on where the
others stopped.
"""

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np
from scipy.stats import qmc

from clipvip.config.sweep import Range, Value

Point = dict[str, Value]
Space = Mapping[str, Range]


def spread(space: Space, index: int, seed: int) -> Point:
    """Point `index` of a scrambled Halton sequence: any stretch of it covers the space evenly."""
    halton = qmc.Halton(len(space), scramble=True, rng=seed)
    if index:
        halton.fast_forward(index)
    places = halton.random(1)[0]
    return {name: at(values, float(place)) for (name, values), place in zip(space.items(), places, strict=True)}


def at_random(space: Space, index: int, seed: int) -> Point:
    """Point `index` of independent uniform draws."""
    places = np.random.default_rng([seed, index]).random(len(space))
    return {name: at(values, float(place)) for (name, values), place in zip(space.items(), places, strict=True)}


def at(values: Range, place: float) -> Value:
    """The value at this place of a range, 0 <= place < 1."""
    every = grid(values)
    if every is not None and not values.log:
        return every[int(place * len(every))]
    low, high = values.low, values.high
    assert low is not None
    assert high is not None
    if values.whole:  # logarithmic: between the edges of the cells of whole numbers
        first, last = math.log(low - 0.5), math.log(high + 0.5)
        return min(max(round(math.exp(first + place * (last - first))), int(low)), int(high))
    if values.log:
        return float(min(max(low * (high / low) ** place, low), high))
    return float(min(low + place * (high - low), high))


def grid(values: Range) -> tuple[Value, ...] | None:
    """Every value, where they can be counted."""
    if values.choices is not None:
        return values.choices
    low, high, step = values.low, values.high, values.step
    assert low is not None
    assert high is not None
    if values.whole:
        return tuple(range(int(low), int(high) + 1, int(step or 1)))
    if step is None:
        return None
    return tuple(float(low + step * i) for i in range(math.floor((high - low) / step + 1e-8) + 1))


def size(space: Space) -> float:
    """Number of points; infinite where a range is continuous."""
    counts = [grid(values) for values in space.values()]
    return float(math.prod(math.inf if each is None else len(each) for each in counts))


def every(space: Space) -> Iterator[Point]:
    """All points of a space that can be counted."""
    values = [grid(each) for each in space.values()]
    for chosen in itertools.product(*(each for each in values if each is not None)):
        yield dict(zip(space, chosen, strict=True))
