"""One evaluation as its cell says: ranks query by query, and the scores that intervals and tests are made of."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from clipvip.results.resampling import Statistic
from clipvip.runtime import cell_files

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
        """R@k (percent), order (percent), MRR, log2R, or the rank itself, expected over ties broken at random."""
        if score.startswith("R@"):
            share = (int(score[2:]) - self.best + 1) / (self.worst - self.best + 1)
            return np.asarray(100 * share.clip(0, 1))
        if score == "order":
            return 100 * (2 - self.rank)
        if score == "log2R":  # mean of log2 over the places of the tie
            return _mean_log2(self.best, self.worst)
        if score == "MRR":  # mean of 1/r over the places of the tie: a difference of harmonic numbers
            return np.asarray((digamma(self.worst + 1) - digamma(self.best)) / (self.worst - self.best + 1))
        return self.rank


def _mean_log2(best: NDArray[np.float64], worst: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2(worst! / (best - 1)!) / number of places."""
    return np.asarray((gammaln(worst + 1) - gammaln(best)) / np.log(2) / (worst - best + 1))


@dataclass(frozen=True)
class Evaluation:
    """metrics.json and, by direction, ranks.parquet of one evaluation cell."""

    key: str
    metrics: dict[str, float]
    answers: dict[str, Answers]


def statistic(score: str) -> Statistic:
    """How the scores of queries become one figure."""
    return "median" if score == "MdR" else "mean"


def read_evaluation(folder: Path, known: "Orders | None" = None) -> Evaluation:
    """The evaluation in this cell folder; ValueError where a file lacks or metrics.json is not of these ranks.

    `known`: the orders of queries that were found before, to which new ones are added; the evaluations of a set share
    them, since names and clusters are larger than the ranks.
    """
    orders = {} if known is None else known
    for name in (cell_files.METRICS, cell_files.RANKS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name}: no such file, though the cell is finished; delete it and run again")
    figures: dict[str, float] = json.loads((folder / cell_files.METRICS).read_text())
    rows = pd.read_parquet(folder / cell_files.RANKS)
    directions = {str(name): _answers(part, orders) for name, part in rows.groupby("direction")}
    found = Evaluation(folder.name, figures, directions)
    for metric, value in figures.items():
        direction, _, score = metric.rpartition("/") if metric != "order" else ("order", "", "order")
        if direction in found.answers:
            scores = found.answers[direction].scores(score)
            again = float(np.median(scores) if statistic(score) == "median" else scores.mean())
            if abs(again - value) > TOLERANCE:
                raise ValueError(
                    f"{folder / cell_files.METRICS}: {metric} is {value:g}, but ranks.parquet gives {again:g}; "
                    "the files are not of one evaluation: delete the cell and run again"
                )
    return found


class Order(NamedTuple):
    """How the rows of a direction are put in order."""

    place: Int[np.ndarray, " query"]
    query: Shaped[np.ndarray, " query"]
    cluster: Int[np.ndarray, " query"]


Orders = dict[tuple[tuple[str, ...], ...], Order]  # by query, clip and cluster of every row


def _answers(rows: pd.DataFrame, orders: Orders) -> Answers:
    names = tuple(tuple(rows[name].to_numpy(object)) for name in ("query", "clip_id", "cluster"))
    if names not in orders:
        orders[names] = _order(*names)
    place, query, cluster = orders[names]
    ranks = [rows[name].to_numpy(np.float64)[place] for name in ("rank", "best", "worst")]
    ranks = [ranks[0] if np.array_equal(each, ranks[0]) else each for each in ranks]  # without ties: held once
    return Answers(query, cluster, *ranks)


def _order(query: Sequence[str], clip_id: Sequence[str], cluster: Sequence[str]) -> Order:
    """By query and clip. Clusters become numbers in the order of their names: the same cluster has the same number in
    every evaluation of the set."""
    place = np.array(sorted(range(len(query)), key=lambda i: (query[i], clip_id[i])), dtype=np.int64)
    names = np.array([f"{query[i]}\n{clip_id[i]}" for i in place], dtype=object)
    return Order(place, names, np.unique(np.array(cluster, dtype=str)[place], return_inverse=True)[1].astype(np.int64))


def answers_of(evaluations: list[Evaluation], direction: str) -> list[Answers]:
    """One direction of each; ValueError where they did not answer the same queries in the same clusters."""
    found = [each.answers[direction] for each in evaluations]
    for one, each in zip(evaluations, found, strict=True):
        if not (np.array_equal(each.query, found[0].query) and np.array_equal(each.cluster, found[0].cluster)):
            raise ValueError(
                f"cells {evaluations[0].key} and {one.key} (evaluate) answered different {direction} queries, so "
                "they cannot be compared; evaluate both on the same corpus and frames"
            )
    return found
