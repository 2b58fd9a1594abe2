"""One sweep of experiments/sweeps: what is searched, how, and what judges."""

from typing import Any, Literal

from pydantic import Field, model_validator

from clipvip.config.base import Settings

Value = bool | int | float | str | None


class Range(Settings):
    """Values of one setting: a choice, or an interval (of integers where both ends are)."""

    choices: tuple[Value, ...] | None = None
    """values to choose from"""
    low: float | int | None = None
    """least value of an interval"""
    high: float | int | None = None
    """greatest value of an interval"""
    log: bool = False
    """search on a logarithmic scale"""
    step: float | int | None = None
    """distance of the values; null: any value between"""

    @model_validator(mode="after")
    def _one_kind(self) -> "Range":
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give either `choices` or both `low` and `high`")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self

    @property
    def whole(self) -> bool:
        """Whether the interval is one of integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class SweepSettings(Settings):
    """One file of experiments/sweeps."""

    stage: Literal["pretrain", "finetune"]
    """what is trained; an evaluation reads test splits and cannot be searched"""
    set: str
    """downstream set whose val split judges"""
    base: dict[str, Any] = Field(default={})
    """as a study's variant: what is changed before the search"""
    space: dict[str, Range] = Field(min_length=1)
    """dotted setting -> its values"""
    score: Literal["val/t2v/R@1", "val/t2v/R@5", "val/t2v/R@10"] = "val/t2v/R@5"
    """what is made as high as possible [%]"""
    sampler: Literal["tpe", "random"] = "tpe"
    """Optuna's sampler"""
    startup: int = Field(5, ge=1)
    """random trials before the sampler and the pruner judge"""
    pruner: Literal["median", "none"] = "median"
    """Optuna's pruner: median ends trials that fall behind"""
    trials: int = Field(20, ge=1)
    """number of trials"""
    workers: int = Field(1, ge=1)
    """jobs that share the trials"""
    seed: int = 0
    """seed of the cells and of the sampler"""
    heartbeat: int = Field(60, ge=1)
    """time between signs of life; a worker silent for three of them has died [s]"""
    retries: int = Field(2, ge=0)
    """further tries of a trial whose worker died"""
    store: str | None = None
    """Optuna's storage; null: optuna.db in the results folder"""
