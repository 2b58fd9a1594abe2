"""What one finished evaluation says, query by query: its ranks, and the scores that intervals and tests are made of."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy.special import digamma

from clipvip.statistics import Statistic

TOLERANCE = 0.01  # points or ranks by which metrics.json may differ from ranks.parquet


@dataclass(frozen=True)
class Answers:
    """The ranks of one direction, in an order of queries that is the same for every model."""

    query: Shaped[np.ndarray, " query"]
    cluster: Int[np.ndarray, " query"]
    rank: Float[np.ndarray, " query"]
    best: Float[np.ndarray, " query"]
    worst: Float[np.ndarray, " query"]

    def scores(self, score: str) -> Float[np.ndarray, " query"]:
        """R@k (percent), order (percent), MRR, or the rank itself, expected over ties broken at random."""
        if score.startswith("R@"):
            share = (int(score[2:]) - self.best + 1) / (self.worst - self.best + 1)
            return np.asarray(100 * share.clip(0, 1))
        if score == "order":
            return 100 * (2 - self.rank)
        if score == "MRR":  # mean of 1/r over the places of the tie: a difference of harmonic numbers
            return np.asarray((digamma(self.worst + 1) - digamma(self.best)) / (self.worst - self.best + 1))
        return self.rank


@dataclass(frozen=True)
class Evaluation:
    """metrics.json and, by direction, ranks.parquet of one evaluation cell."""

    key: str
    metrics: dict[str, float]
    answers: dict[str, Answers]


def statistic(score: str) -> Statistic:
    """How the scores of queries become one figure."""
    return "median" if score == "MdR" else "mean"


def read_evaluation(folder: Path) -> Evaluation:
    """The evaluation in this cell folder; ValueError where a file lacks or metrics.json is not of these ranks."""
    for name in ("metrics.json", "ranks.parquet"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name}: no such file, though the cell is finished; delete it and run again")
    metrics: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    rows = pd.read_parquet(folder / "ranks.parquet")
    found = Evaluation(folder.name, metrics, {str(name): _answers(part) for name, part in rows.groupby("direction")})
    for metric, value in metrics.items():
        direction, _, score = metric.rpartition("/") if metric != "order" else ("order", "", "order")
        if direction in found.answers:
            scores = found.answers[direction].scores(score)
            again = float(np.median(scores) if statistic(score) == "median" else scores.mean())
            if abs(again - value) > TOLERANCE:
                raise ValueError(
                    f"{folder / 'metrics.json'}: {metric} is {value:g}, but ranks.parquet gives {again:g}; "
                    "the files are not of one evaluation: delete the cell and run again"
                )
    return found


def _answers(rows: pd.DataFrame) -> Answers:
    rows = rows.sort_values(["query", "clip_id"], kind="stable")
    ranks = [rows[name].to_numpy(np.float64) for name in ("rank", "best", "worst")]
    query = (rows["query"] + "\n" + rows["clip_id"]).to_numpy(object)
    return Answers(query, _codes(rows["cluster"]), *ranks)


def _codes(clusters: "pd.Series[str]") -> NDArray[np.int64]:
    """Numbers in the order of the names: the same cluster has the same number in every evaluation of the set."""
    return np.unique(clusters.to_numpy(str), return_inverse=True)[1].astype(np.int64)


def answers_of(evaluations: list[Evaluation], direction: str) -> list[Answers]:
    """One direction of each; ValueError where they did not answer the same queries in the same clusters."""
    found = [each.answers[direction] for each in evaluations]
    first = found[0] if found else None
    for one, each in zip(evaluations, found, strict=True):
        assert first is not None
        if not (np.array_equal(each.query, first.query) and np.array_equal(each.cluster, first.cluster)):
            raise ValueError(
                f"cells {evaluations[0].key} and {one.key} (evaluate) answered different {direction} queries, so "
                "they cannot be compared; evaluate both on the same corpus and frames"
            )
    return found
