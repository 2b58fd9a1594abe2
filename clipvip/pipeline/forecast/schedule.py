"""When jobs that wait for one another are all done, so many of them running at a time."""

import heapq
from collections.abc import Mapping, Sequence


def longest(seconds: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> float:
    """The longest chain of jobs that wait for one another [s]; names that take no time may be left out of `seconds`."""
    ends: dict[str, float] = {}

    def end(name: str) -> float:
        if name not in ends:
            before = max((end(other) for other in needs.get(name, ())), default=0.0)
            ends[name] = before + seconds.get(name, 0.0)
        return ends[name]

    return max((end(name) for name in seconds), default=0.0)


def finish(seconds: Mapping[str, float], needs: Mapping[str, Sequence[str]], parallel: int) -> float:
    """When the last job ends [s] if `parallel` run at a time and a free place takes the ready job with the longest way
    to go. ValueError for jobs that wait for each other."""
    waiting = {name: {other for other in needs.get(name, ()) if other in seconds} for name in seconds}
    after: dict[str, list[str]] = {name: [] for name in seconds}
    for name, others in waiting.items():
        for other in others:
            after[other].append(name)
    rest = _rest(seconds, after)
    ready = [(-rest[name], name) for name, others in waiting.items() if not others]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now, done = 0.0, 0
    while ready or running:
        while ready and len(running) < parallel:
            name = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + seconds[name], name))
        now, name = heapq.heappop(running)
        done += 1
        for other in after[name]:
            waiting[other].discard(name)
            if not waiting[other]:
                heapq.heappush(ready, (-rest[other], other))
    if done < len(seconds):
        raise ValueError("jobs wait for each other in a circle")
    return now


def _rest(seconds: Mapping[str, float], after: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """From a job's start to the end of the longest chain behind it."""
    found: dict[str, float] = {}

    def rest(name: str, above: frozenset[str]) -> float:
        if name in above:
            raise ValueError("jobs wait for each other in a circle")
        if name not in found:
            behind = max((rest(other, above | {name}) for other in after[name]), default=0.0)
            found[name] = seconds[name] + behind
        return found[name]

    for name in seconds:
        rest(name, frozenset())
    return found
