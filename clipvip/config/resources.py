"""What a job of each rule asks a scheduler for: cores, GPUs, memory, time."""

import difflib
from typing import Annotated

from pydantic import Field, field_validator

from clipvip.config.base import Count, Settings, Size
from clipvip.config.registry import JOB_RULES

Gpus = Annotated[int, Field(ge=0, le=4096)]

# Rules that make no cell, and whether an accelerator helps them.
OTHER_RULES = {
    "store": False,
    "table": False,
    "all_tables": False,
    "notebook": False,
    "general_notebook": False,
    "track": False,
    "report": False,
    "sweep_study": False,
    "sweep_worker": True,
    "sweep_best": False,
}
TRAINS = {name for name, rule in JOB_RULES.items() if rule.trains}
ACCELERATED = {name: rule.accelerator for name, rule in JOB_RULES.items()} | OTHER_RULES


class RuleChange(Settings):
    """What one rule asks for in place of what `run` says; null is as there."""

    threads: Size | None = None
    """cores"""
    gpus: Gpus | None = None
    """GPUs"""
    memory_mb: Count | None = None
    """memory [MB]"""
    minutes: Count | None = None
    """longest job [minutes]"""
    attempt_minutes: Count | None = None
    """longest attempt of a job [minutes]"""


class Asked(Settings):
    """What a job asks for."""

    threads: int
    """cores"""
    gpus: int
    """GPUs"""
    memory_mb: int
    """memory [MB]"""
    minutes: int
    """longest job [minutes]"""
    attempt_minutes: int | None = None
    """longest attempt of a job [minutes]; null: the whole job"""

    @property
    def runtime(self) -> int:
        """What a scheduler is asked for: one attempt [minutes]."""
        return min(self.minutes, self.attempt_minutes or self.minutes)

    @property
    def cpus_per_gpu(self) -> int:
        """Cores for each GPU, which a scheduler takes beside it; of a job without GPUs all."""
        return max(1, self.threads // max(1, self.gpus))


class Usual(Settings):
    """What the jobs of an experiment ask for where their rule has nothing of its own."""

    threads: Size = 1
    """cores of a job"""
    gpus: Gpus = 0
    """GPUs of a training, a process each; what does not train takes one of them, with its part of cores and memory"""
    memory_mb: Count = 2000
    """memory of a job [MB]"""
    minutes: Count = 30
    """longest job [minutes]"""
    attempt_minutes: Count | None = None
    """longest attempt of a job, which is what a scheduler is asked for; the job saves before its end and goes on in the
    next, as many as it takes; null: the whole job in one [minutes]"""
    rules: dict[str, RuleChange] = Field(default={})
    """what single rules of the workflow ask for instead, by name"""

    @field_validator("rules")
    @classmethod
    def _known(cls, rules: dict[str, RuleChange]) -> dict[str, RuleChange]:
        for name in rules:
            if name not in ACCELERATED:
                near = difflib.get_close_matches(name, ACCELERATED, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(ACCELERATED)}"
                raise ValueError(f"no rule {name!r}; {hint}")
        return rules


def asks(usual: Usual, rule: str) -> Asked:
    """What a job of this rule asks for, unless told otherwise.

    Training takes all GPUs of `usual`; what else a GPU helps takes one, with its part of the cores and the memory. What
    none helps takes one core.
    """
    threads, gpus, memory = (
        (usual.threads, usual.gpus, usual.memory_mb) if ACCELERATED[rule] else (1, 0, usual.memory_mb)
    )
    if gpus > 1 and rule not in TRAINS:
        threads, gpus, memory = max(1, threads // gpus), 1, max(1, memory // gpus)
    times = {"minutes": usual.minutes, "attempt_minutes": usual.attempt_minutes}
    asked = Asked(threads=threads, gpus=gpus, memory_mb=memory, **times)
    own = usual.rules.get(rule)
    return asked if own is None else asked.model_copy(update=own.model_dump(exclude_none=True))


def all_ask(usual: Usual) -> dict[str, Asked]:
    """The same for every rule."""
    return {rule: asks(usual, rule) for rule in ACCELERATED}
