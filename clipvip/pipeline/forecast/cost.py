"""What one cell, or one job, takes."""

from collections.abc import Iterable
from dataclasses import dataclass

DECODING, COMPUTE, MEMORY, DISK, WORKFLOW = "decoding", "compute", "memory", "disk", "workflow"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time is of a job that has its cores and GPUs to itself."""

    seconds: float = 0.0  # from its start to its end
    core_seconds: float = 0.0  # of processor time
    memory_mb: float = 0.0  # resident at its height
    gpu_memory_mb: float = 0.0
    disk_mb: float = 0.0  # what it leaves
    computing: float = 0.0  # seconds of all cards, if nothing else kept them waiting
    decoding: float = 0.0  # seconds of one thread that decodes, part of core_seconds
    bound: str = WORKFLOW  # what its time is spent waiting for


def together(costs: Iterable[Cost]) -> Cost:
    """One after another in one process; bound by what bounds most of the time."""
    found = list(costs)
    waits: dict[str, float] = {}
    for each in found:
        waits[each.bound] = waits.get(each.bound, 0.0) + each.seconds
    return Cost(
        seconds=sum((each.seconds for each in found), 0.0),
        core_seconds=sum((each.core_seconds for each in found), 0.0),
        memory_mb=max((each.memory_mb for each in found), default=0.0),
        gpu_memory_mb=max((each.gpu_memory_mb for each in found), default=0.0),
        disk_mb=sum((each.disk_mb for each in found), 0.0),
        decoding=sum((each.decoding for each in found), 0.0),
        computing=sum((each.computing for each in found), 0.0),
        bound=max(waits, key=lambda name: waits[name], default=WORKFLOW),
    )
