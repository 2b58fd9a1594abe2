"""One sweep of experiments/sweeps: what is searched, how, and what judges."""

from typing import Any, Literal

from pydantic import Field, model_validator

from clipvip.config.base import Count, Seed, Settings, Size, Whole

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
        if self.step is not None and (self.log or self.step <= 0):
            raise ValueError("`step` is above 0 and without `log`")
        if self.whole and self.step is not None and not isinstance(self.step, int):
            raise ValueError("`step` of whole numbers is a whole number")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("`log` needs `low` above 0")
        if self.choices is not None and len(set(map(repr, self.choices))) < max(1, len(self.choices)):
            raise ValueError("`choices`: give at least one, none twice")
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
    startup: Count = 5
    """finished trials before the sampler and the pruner judge; until then points are spread evenly"""
    pruner: Literal["median", "none"] = "median"
    """Optuna's pruner: median ends trials that fall behind"""
    trials: Size = 20
    """number of distinct points to try"""
    workers: Size = 1
    """jobs that share the trials"""
    seed: Seed = 0
    """seed of the cells and of the sampler"""
    heartbeat: Count = 5
    """time between looks for trials whose worker has died, of a worker with nothing else to do [s]"""
    retries: Whole = 2
    """further tries of a trial whose worker died, since it last got ahead"""
    store: str | None = None
    """URL of a database for Optuna; null: Optuna's journal in the results folder, which may lie on a shared file
    system; sqlite is refused there"""
