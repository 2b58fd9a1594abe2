"""Figures that papers give (experiments/published.yaml), each with the place where it was read and its standing.

They stand beside ours only where an experiment says that it runs at a paper's scale, and never in our columns.
"""

import math
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from clipvip.config.base import Settings, build, read_yaml

RECALLS = (1, 5, 10)
COLUMNS = ["model", "variant", "metric", "published", "transductive", "source", "standing"]


class Source(Settings):
    """Where figures were read."""

    title: str
    standing: Literal["first hand", "second hand"]


class Result(Settings):
    """Text-to-video recalls of one model: set -> R@1, R@5, R@10 in percent; null where not given."""

    model: str
    scale: str
    source: str
    recalls: dict[str, tuple[float | None, float | None, float | None]]
    runs: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - study -> its variants that run this model
    transductive: bool = False


class Published(Settings):
    """The whole file."""

    sources: dict[str, Source]
    results: tuple[Result, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> "Published":
        for result in self.results:
            if result.source not in self.sources:
                raise ValueError(f"results: {result.model}: source {result.source!r} is none of {list(self.sources)}")
            for name, (first, fifth, tenth) in result.recalls.items():
                given = [value for value in (first, fifth, tenth) if value is not None]
                if sorted(given) != given or not all(0 <= value <= 100 for value in given):
                    raise ValueError(f"results: {result.model} on {name}: R@1, R@5, R@10 must rise within 0 and 100")
        return self


def recalls(path: str | Path, scale: str, study: str, sets: list[str]) -> pd.DataFrame:
    """Figures at this scale for the sets of a study: those of its own variants, and of other models without one.

    Raises ValueError where the file is not sound, or knows no such scale.
    """
    found = build(Published, read_yaml(path) or {}, str(path))
    if scale not in {result.scale for result in found.results}:
        raise ValueError(f"{path}: nothing is published at {scale!r}; `published` of the experiment names a scale")
    rows: list[dict[str, Any]] = []
    for result in found.results:
        if result.scale != scale or (result.runs and study not in result.runs):
            continue
        source = found.sources[result.source]
        direction = "t2v_dsl" if result.transductive else "t2v"
        for name, recalls in result.recalls.items():
            for k, value in zip(RECALLS, recalls, strict=True):
                if name not in sets or value is None:
                    continue
                for variant in result.runs.get(study, (None,)):
                    row = [result.model, variant, f"{name}/{direction}/R@{k}", value, result.transductive]
                    rows.append(dict(zip(COLUMNS, [*row, source.title, source.standing], strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)


def distances(given: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """`given` with what the variant reached here (`here`), and here - published (`distance`, `low`, `high`).

    The interval is that of our own figure, of queries and of seeds where there are several: a published figure comes
    without one and is taken as exact, though it was measured on the same number of queries.
    """
    ours = summary.set_index("variant")
    rows = []
    for row in given.to_dict("records"):
        metric = row["metric"]
        own = ours.loc[row["variant"]] if row["variant"] in ours.index else {}
        here, low, high = (own.get(f"{metric}{end}", math.nan) for end in ("", "/low", "/high"))
        shifted = {"distance": here - row["published"], "low": low - row["published"], "high": high - row["published"]}
        rows.append(row | {"here": here} | shifted)
    return pd.DataFrame(rows, columns=[*COLUMNS, "here", "distance", "low", "high"])
