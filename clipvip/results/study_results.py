"""What the finished cells of a study say: ranks query by query, and the scores that intervals and tests are made of."""

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from clipvip.config.claims import Expectation, Metric, check_expect
from clipvip.results.finished import Finished, find, uses
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
        """R@k (percent), order (percent), MRR, log2 rank, or the rank itself, expected over ties broken at random."""
        if score.startswith("R@"):
            share = (int(score[2:]) - self.best + 1) / (self.worst - self.best + 1)
            return np.asarray(100 * share.clip(0, 1))
        if score == "order":
            return 100 * (2 - self.rank)
        if score == "MRR":  # mean of 1/r over the places of the tie: a difference of harmonic numbers
            return np.asarray((digamma(self.worst + 1) - digamma(self.best)) / (self.worst - self.best + 1))
        if score == "log2R":  # mean of log2 r over them: a difference of log factorials
            logs = gammaln(self.worst + 1) - gammaln(self.best)
            return np.asarray(logs / (self.worst - self.best + 1) / math.log(2))
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
    for name in (cell_files.METRICS, cell_files.RANKS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name}: no such file, though the cell is finished; delete it and run again")
    metrics: dict[str, float] = json.loads((folder / cell_files.METRICS).read_text())
    rows = pd.read_parquet(folder / cell_files.RANKS)
    found = Evaluation(folder.name, metrics, {str(name): _answers(part) for name, part in rows.groupby("direction")})
    for metric, value in metrics.items():
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
    for one, each in zip(evaluations, found, strict=True):
        if not (np.array_equal(each.query, found[0].query) and np.array_equal(each.cluster, found[0].cluster)):
            raise ValueError(
                f"cells {evaluations[0].key} and {one.key} (evaluate) answered different {direction} queries, so "
                "they cannot be compared; evaluate both on the same corpus and frames"
            )
    return found


class Study:
    """A plan with its finished cells; each is read once, however many rows share it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.root = Path(plan["results"])
        self.downstream: list[str] = plan["downstream"]
        self.variants = list(dict.fromkeys(str(row["variant"]) for row in plan["rows"]))
        self._evaluations: dict[str, Evaluation] = {}

    @cached_property
    def cells(self) -> dict[str, Finished]:
        """The finished cells that the plan names, by key."""
        found = {}
        for key in {use.key for use in uses(self.plan)}:
            try:
                cell = find(self.root, key)
            except ValueError:  # not there: shown as missing
                continue
            if cell.receipt.get("status") == "finished" and key not in self.failures:
                found[key] = cell
        return found

    @cached_property
    def failures(self) -> dict[str, str]:
        """Key -> reason of the cells whose last attempt failed, or that wait for one that failed; what an earlier
        attempt left there does not count."""
        found = {use.key: self._failure(f"{use.stage}-{use.key}") for use in uses(self.plan)}
        return {key: reason for key, reason in found.items() if reason}

    def _failure(self, name: str) -> str:
        """Why the cell `<stage>-<key>` is not there; empty where nothing has failed."""
        stage, _, key = name.partition("-")
        failed, spec = (self.root / folder / f"{name}.json" for folder in ("failed", "specs"))
        if failed.is_file():
            return f"{stage}: {json.loads(failed.read_text())['reason']}"
        if (self.root / "cells" / stage / key / cell_files.RECEIPT).is_file() or not spec.is_file():
            return ""
        inputs = (other.replace("/", "-") for other in json.loads(spec.read_text())["inputs"].values())
        return next(filter(None, map(self._failure, inputs)), "")

    @cached_property
    def nmi(self) -> pd.DataFrame:
        """nmi.csv of the domain-gap cell; no rows where there is none."""
        cell = self.cells.get(self.plan.get("gap") or "")
        if cell is None:
            return pd.DataFrame(columns=["source", "downstream", "repeat", "nmi"])
        return pd.read_csv(cell.folder / cell_files.NMI)

    @cached_property
    def language(self) -> pd.DataFrame:
        """A row a source and set of the domain-gap cell: its statistics, and `covers/<set>`, the share of the set's
        words that it has; no rows where there is no cell."""
        cell = self.cells.get(self.plan.get("gap") or "")
        if cell is None:
            return pd.DataFrame(columns=["source", "kind", "sentences"])
        pairs = pd.read_csv(cell.folder / cell_files.OVERLAP)
        overlaps = pairs.pivot_table(index="source", columns="downstream", values="covered", sort=False)
        return pd.read_csv(cell.folder / cell_files.STATISTICS).join(overlaps.add_prefix("covers/"), on="source")

    def expectations(self) -> list[Expectation]:
        """The lines of `expect`, parsed."""
        sources = sorted(set(self.nmi["source"]))
        lines = []
        for line in self.plan["expect"]:
            named = sources or [word for word in line.split() if word not in "<>"]  # gap cell missing: names unchecked
            lines.append(check_expect(line, self.variants, named, self.downstream, study=self.plan["study"]))
        return lines

    def evaluation(self, row: dict[str, Any], metric: Metric) -> Evaluation | None:
        """The finished evaluation that holds `metric` of this row."""
        key = row["cells"].get(f"{metric.when}/{metric.downstream}")
        if key not in self.cells:
            return None
        found = self.read(key)
        return found if metric.direction in found.answers else None

    def read(self, key: str) -> Evaluation:
        """A finished evaluation, read once."""
        if key not in self._evaluations:
            self._evaluations[key] = read_evaluation(self.cells[key].folder)
        return self._evaluations[key]

    def evaluations(self, variant: str, metric: Metric) -> dict[int, Evaluation]:
        """The same by seed."""
        rows = [row for row in self.plan["rows"] if row["variant"] == variant]
        found = {int(row["seed"]): self.evaluation(row, metric) for row in rows}
        return {seed: each for seed, each in found.items() if each is not None}

    def pairs(self, left: str, right: str, metric: Metric) -> list[tuple[Evaluation, Evaluation]]:
        """Both variants at the seeds that both have; seeds that share both cells are one replicate."""
        a, b = self.evaluations(left, metric), self.evaluations(right, metric)
        both = {(a[seed].key, b[seed].key): (a[seed], b[seed]) for seed in a if seed in b}
        return list(both.values())

    def absent(self, left: str, right: str, metric: Metric) -> list[int]:
        """Seeds of the plan at which one of the two has no finished evaluation."""
        planned = {int(row["seed"]) for row in self.plan["rows"] if row["variant"] in (left, right)}
        return sorted(planned - (set(self.evaluations(left, metric)) & set(self.evaluations(right, metric))))
