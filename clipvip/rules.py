"""The rules of the workflow, and what a job of each asks a scheduler for: cores, GPUs, memory, time."""

from typing import Literal, get_args

from pydantic import Field

from clipvip.settings import Settings

Rule = Literal[
    "world", "corpus", "frames", "prepare", "clip", "captioner", "caption_shard", "captions", "gap", "pretrain",
    "variant", "finetune", "evaluate", "store", "table", "notebook", "general_notebook", "track", "report",
    "sweep_study", "sweep_worker", "sweep_best",
]  # fmt: skip
ON_ACCELERATOR = {
    "clip", "captioner", "caption_shard", "captions", "pretrain", "variant", "finetune", "evaluate", "sweep_worker",
}  # fmt: skip


class RuleChange(Settings):
    """What one rule asks for in place of what `run` says; null is as there."""

    threads: int | None = Field(None, ge=1)  # cores
    gpus: int | None = Field(None, ge=0)
    memory_mb: int | None = Field(None, ge=1)
    minutes: int | None = Field(None, ge=1)


class Asked(Settings):
    """What a job asks for."""

    threads: int
    gpus: int
    memory_mb: int
    minutes: int


class Usual(Settings):
    """What the jobs of an experiment ask for where their rule has nothing of its own."""

    threads: int = 1  # cores of a job
    gpus: int = 0
    memory_mb: int = 2000
    minutes: int = 30  # longest job
    rules: dict[Rule, RuleChange] = Field(default={})


def asks(usual: Usual, rule: Rule) -> Asked:
    """What a job of this rule asks for; one that no accelerator helps takes one core and no GPU unless told."""
    heavy = rule in ON_ACCELERATOR
    threads, gpus = (usual.threads, usual.gpus) if heavy else (1, 0)
    asked = Asked(threads=threads, gpus=gpus, memory_mb=usual.memory_mb, minutes=usual.minutes)
    own = usual.rules.get(rule)
    return asked if own is None else asked.model_copy(update=own.model_dump(exclude_none=True))


def all_ask(usual: Usual) -> dict[Rule, Asked]:
    """The same for every rule."""
    return {rule: asks(usual, rule) for rule in get_args(Rule)}
