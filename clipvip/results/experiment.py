"""All studies of an experiment together: one noise of training, one family of lines.

The tables of a study are a function of the finished cells of its experiment, whatever the order they were made in: the
noise of a run is pooled over the variants of all studies, and a comparison that two studies make counts once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clipvip.config.claims import Metric
from clipvip.results import noise, study_files
from clipvip.results.evaluations import Evaluation, Orders, answers_of, statistic
from clipvip.results.finished import read_plan
from clipvip.results.noise import PLAIN, PRETRAINED, Pool, Row
from clipvip.results.resampling import Clusters, Statistic, Values
from clipvip.results.study_results import Study
from clipvip.results.variance import FIXED, Estimate, RunNoise, Term, estimate, interaction, span_of

Weights = Mapping[str, float]  # variant -> weight


@dataclass(frozen=True)
class Compared:
    """A weighted sum of variants of one study on one metric, and what it rests on."""

    estimate: Estimate
    scores: Mapping[str, Values]  # variant -> scores of the queries, averaged over runs
    figures: Mapping[str, float]  # variant -> mean over runs of their figures
    clusters: Clusters
    runs: Mapping[str, tuple[str, ...]]  # variant -> keys of its finished evaluations
    replicates: int  # the fewest runs of any of its variants; those of plain CLIP, zero-shot, do not count
    identity: frozenset[tuple[str, float]]  # equal for comparisons of the same cells, whatever sign and names

    def value(self, weights: Weights) -> float:
        """Another weighted sum of the same variants."""
        return float(sum(weight * self.figures[variant] for variant, weight in weights.items()))


class Experiment:
    """The plans of an experiment with their finished cells."""

    def __init__(self, plans: list[dict[str, Any]]) -> None:
        self.plans = sorted(plans, key=lambda plan: str(plan["study"]))
        shared: tuple[dict[str, Evaluation], Orders] = {}, {}
        self.studies = {str(plan["study"]): Study(plan, *shared) for plan in self.plans}
        self.noise, self.rows = cache(self._noise), cache(self._rows)  # of a metric

    @classmethod
    def around(cls, folder: Path, plan: dict[str, Any] | None = None) -> "Experiment":
        """The experiment of this study folder: its plan (or the one given), and those of the folders beside it."""
        found = {path.parent.name: path for path in sorted(folder.resolve().parent.glob(f"*/{study_files.PLAN}"))}
        plans = [read_plan(path.parent) for name, path in found.items() if plan is None or name != folder.name]
        if plan is not None:
            plans = [each for each in plans if each["experiment"] == plan["experiment"]]
            plans = [each for each in plans if each["study"] != plan["study"]] + [plan]
        return cls(plans)

    # -- noise -------------------------------------------------------------------------------------

    def _noise(self, metric: Metric) -> dict[str, Pool]:
        """The pool of every class on this metric."""
        rows: dict[str, list[Row]] = {PRETRAINED: [], PLAIN: []}
        for name, (kind, evaluations) in self.rows(metric).items():
            rows[kind].append(_row(name, evaluations, metric))
        return {kind: noise.pool(kind, each, self._study_noise.get((metric.name, kind))) for kind, each in rows.items()}

    def _rows(self, metric: Metric) -> dict[str, tuple[str, dict[str, Evaluation]]]:
        """Name -> class and evaluations of every variant whose training varies; the same cells under one name."""
        named: dict[str, str] = {}  # cell -> name
        found: dict[str, tuple[str, dict[str, Evaluation]]] = {}
        for study in self.studies.values():
            for variant in study.variants if metric.downstream in study.downstream else ():
                evaluations = {each.key: each for each in study.evaluations(variant, metric).values()}
                if not evaluations or self.fixed(study, variant, metric):
                    continue
                name = next((named[key] for key in evaluations if key in named), f"{study.plan['study']}/{variant}")
                together = found.setdefault(name, (kind_of(study, variant), {}))[1]
                together |= {key: each for key, each in evaluations.items() if key not in together}
                named |= dict.fromkeys(evaluations, name)
        return found

    def fixed(self, study: Study, variant: str, metric: Metric) -> bool:
        """Whether nothing of a variant's evaluation is trained or drawn by the seed: plain CLIP, zero-shot."""
        if metric.when != "zero_shot" or kind_of(study, variant) == PRETRAINED:
            return False
        rows = [row for row in study.plan["rows"] if row["variant"] == variant]
        keys = {row["cells"].get(f"zero_shot/{metric.downstream}") for row in rows}
        if len(rows) > 1:
            return len(keys) == 1
        cell = study.cells.get(next(iter(keys)) or "")
        model = (cell.settings.get("model") if cell else None) or {}
        return model.get("pooling", "mean") == "mean" and not model.get("temporal")

    @cached_property
    def _study_noise(self) -> dict[tuple[str, str], RunNoise]:
        path = next((plan["noise"] for plan in self.plans if plan.get("noise")), None)
        return noise.read(Path(path), self._num_queries) if path else {}

    @cached_property
    def _num_queries(self) -> dict[str, int]:
        """Metric -> number of queries, of the metrics that some finished evaluation holds."""
        found: dict[str, int] = {}
        for study in self.studies.values():
            for metric in study.all_metrics:
                if metric.name not in found and (one := study.any_evaluation(metric)) is not None:
                    found[metric.name] = len(one.answers[metric.direction].rank)
        return found

    def write_noise(self, path: Path) -> None:
        """The pools of every metric, for this experiment's readers and as a noise study of another one."""
        every = {metric.name: metric for study in self.studies.values() for metric in study.all_metrics}
        pools = [
            (name, kind, each, self._num_queries[name])
            for name, metric in every.items()
            if name in self._num_queries
            for kind, each in self.noise(metric).items()
        ]
        noise.write(pools, path)

    # -- comparisons -------------------------------------------------------------------------------

    def noise_of(self, study: Study, variant: str, metric: Metric) -> RunNoise | None:
        """The noise of one run of a variant; None where nothing tells it."""
        if self.fixed(study, variant, metric):
            return FIXED
        keys = {each.key for each in study.evaluations(variant, metric).values()}
        name = next(name for name, (_, each) in self.rows(metric).items() if keys & set(each))
        return self.noise(metric)[kind_of(study, variant)].of(name)

    def compare(self, study: Study, weights: Weights, metric: Metric) -> Compared | None:
        """Any weighted sum of variants: {a: 1} is a mean, {a: 1, b: -1} a difference, four an interaction, a slope
        where they are its weights. None where a variant has no finished evaluation."""
        sides = {variant: list(study.distinct(variant, metric).values()) for variant in weights}
        if not all(sides.values()):
            return None
        every = [each for side in sides.values() for each in side]
        answers, kind = answers_of(every, metric.direction), statistic(metric.score)
        scores = {one.key: each.scores(metric.score) for one, each in zip(every, answers, strict=True)}
        runs = {variant: {each.key: scores[each.key] for each in side} for variant, side in sides.items()}
        terms = [Term(weights[name], own, self.noise_of(study, name, metric)) for name, own in runs.items()]
        span = span_of(metric.score, len(answers[0].rank))
        found = estimate(terms, answers[0].cluster, statistic=kind, span=span)
        means = {name: np.mean(list(own.values()), axis=0) for name, own in runs.items()}
        figures = {name: float(np.mean([_figure(each, kind) for each in own.values()])) for name, own in runs.items()}
        keys = {name: tuple(own) for name, own in runs.items()}
        trained = [len(own) for name, own in keys.items() if not self.fixed(study, name, metric)]
        fewest = min(trained, default=1)
        return Compared(found, means, figures, answers[0].cluster, keys, fewest, _identity(weights, keys))


def _figure(scores: Values, kind: Statistic) -> float:
    return float(np.median(scores) if kind == "median" else scores.mean())


def _row(name: str, evaluations: Mapping[str, Evaluation], metric: Metric) -> Row:
    answers, kind = answers_of(list(evaluations.values()), metric.direction), statistic(metric.score)
    scores = [each.scores(metric.score) for each in answers]
    within = interaction(scores, answers[0].cluster) if len(scores) > 1 and kind == "mean" else math.nan
    return Row(name, np.array([_figure(each, kind) for each in scores]), within)


def _identity(weights: Weights, keys: Mapping[str, tuple[str, ...]]) -> frozenset[tuple[str, float]]:
    cells: dict[str, float] = {}
    for variant, weight in weights.items():
        for key in keys[variant]:
            cells[key] = cells.get(key, 0.0) + weight / len(keys[variant])
    cells = {key: round(weight, 12) for key, weight in cells.items() if round(weight, 12)}
    sign = math.copysign(1, cells[min(cells)]) if cells else 1.0
    return frozenset((key, sign * weight) for key, weight in cells.items())


def kind_of(study: Study, variant: str) -> str:
    """The class of a variant: with or without post-pretraining."""
    rows = (row for row in study.plan["rows"] if row["variant"] == variant)
    return PRETRAINED if any(row["cells"].get("pretrain") for row in rows) else PLAIN
