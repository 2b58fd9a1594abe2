"""The lines of `expect` of a whole experiment, decided together: `decided(Experiment)` is what verdicts are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clipvip.config.claims import CO_PRIMARY, Expectation, Metric, margin_of
from clipvip.results import intervals, outcomes, repeated_draws
from clipvip.results.experiment import Experiment
from clipvip.results.gap_table import crossed, shares
from clipvip.results.outcomes import Outcome
from clipvip.results.study_results import Study
from clipvip.results.variance import Estimate


@dataclass(frozen=True)
class Answer:
    """What one metric says of a line."""

    metric: Metric
    margin: float
    sign: str  # what the claim says of the difference on this metric
    estimate: Estimate | None  # None: cells are missing
    left: float  # values of either side
    right: float
    replicates: int  # the fewest of any variant
    identity: object  # equal for one comparison of two studies
    p: float = math.nan  # corrected over the distinct lines of the experiment, as are the next two
    p_same: float = math.nan
    outcome: Outcome = outcomes.OPEN
    alpha: float = outcomes.ALPHA  # what Holm leaves to it beside the lines that are as they are

    @property
    def decides(self) -> str:
        """What would decide it; empty where it is decided."""
        return outcomes.decides(self.estimate, self.outcome, self.margin, self.replicates, self.alpha)


@dataclass(frozen=True)
class Line:
    """A line of `expect` with its answer, and that of the co-primary metric where it names a recall."""

    study: str
    expectation: Expectation
    primary: Answer
    co_primary: Answer | None
    family: int  # distinct lines of the experiment with an answer
    missing: tuple[int, ...]  # seeds of the plan that are not finished for all its variants

    @property
    def disagree(self) -> bool:
        """Whether one metric says yes and the other no, or one decides that there is nothing where the other does."""
        if self.co_primary is None:
            return False
        said = {self.primary.outcome, self.co_primary.outcome} - {outcomes.OPEN, outcomes.ONE_RUN}
        return len(said) == 2


def decided(experiment: Experiment, looks: int | None = None) -> list[Line]:
    """Every line of every study, in the order of the plans, with outcomes corrected over the distinct ones.

    Where the results are looked at several times as they grow, each look has its share of the error rate; `looks` in
    place of the number that the plans name.
    """
    alpha = outcomes.ALPHA / (looks or looks_of(experiment))
    found = [(study, line) for study in experiment.studies.values() for line in study.expectations()]
    primary = _corrected([_answer(experiment, study, line, line.metric) for study, line in found], alpha)
    beside = [(study, line, line.metric.co_primary) for study, line in found]
    second = [None if metric is None else _answer(experiment, study, line, metric) for study, line, metric in beside]
    corrected = iter(_corrected([each for each in second if each is not None], alpha))
    second = [None if each is None else next(corrected) for each in second]
    family = len({each.identity for each in primary if each.estimate is not None})
    return [
        Line(str(study.plan["study"]), line, one, two, family, tuple(_missing(study, line)))
        for (study, line), one, two in zip(found, primary, second, strict=True)
    ]


def _missing(study: Study, line: Expectation) -> list[int]:
    return [] if line.metric.when == "nmi" else study.absent([name for name, _ in line.weights], line.metric)


def looks_of(experiment: Experiment) -> int:
    """How often the results may be looked at, as the plans say; 1: once."""
    return max((int(plan.get("looks") or 1) for plan in experiment.plans), default=1)


def _corrected(answers: Sequence[Answer], alpha: float) -> list[Answer]:
    """Holm over the distinct comparisons, for differences and for sameness; then the outcomes."""
    distinct = list({each.identity: each for each in answers}.values())
    where = {each.identity: index for index, each in enumerate(distinct)}
    own = np.array([math.nan if each.estimate is None else each.estimate.p() for each in distinct])
    p = intervals.holm(own)
    same = [math.nan if each.estimate is None else each.estimate.p_same(each.margin) for each in distinct]
    p_same = intervals.holm(np.array(same))
    found = []
    for each in answers:
        place = where[each.identity]
        came = outcomes.outcome(each.estimate, each.sign, float(p[place]), float(p_same[place]), alpha)
        left = alpha / max(1, int((own >= own[place]).sum()))
        found.append(replace(each, p=float(p[place]), p_same=float(p_same[place]), outcome=came, alpha=left))
    return found


def _answer(experiment: Experiment, study: Study, line: Expectation, metric: Metric) -> Answer:
    sign = line.sign
    if metric.score == CO_PRIMARY and line.metric.score != CO_PRIMARY:  # a smaller rank is a better one
        sign = "<" if line.sign == ">" else ">"
    margin = margin_of(line, study.plan.get("margins") or {}, metric)
    if metric.when == "nmi":
        return _gap_answer(study, line, margin)
    named = dict.fromkeys([name for side in line.sides for name in side], 0.0)  # some may cancel out
    compared = experiment.compare(study, named | dict(line.weights), metric)
    if compared is None:
        nothing = (str(study.plan["study"]), line.line, metric.name)
        return Answer(metric, margin, sign, None, math.nan, math.nan, 0, nothing)
    left, right = (compared.value(side) for side in line.sides)
    identity = (metric.name, margin, compared.identity)
    return Answer(metric, margin, sign, compared.estimate, left, right, compared.replicates, identity)


def _gap_answer(study: Study, line: Expectation, margin: float) -> Answer:
    """NMI: repeats are paired, since both sources met the same sentences of the downstream set in each."""
    rows = study.nmi[study.nmi["downstream"] == line.metric.downstream]
    sides = {name: rows[rows["source"] == name] for name in (line.left, line.right)}
    identity = (line.metric.name, margin, study.plan.get("gap"), frozenset(sides))
    if any(side.empty for side in sides.values()):
        return Answer(line.metric, margin, line.sign, None, math.nan, math.nan, 0, identity)
    (left, right), (one, other) = map(crossed, sides.values()), map(shares, sides.values())
    own = max(one[0], other[0]), one[1]  # both sources met the same sentences of the set
    spread = repeated_draws.error(left - right, own)
    found = Estimate(spread.mean, spread.error**2, float(spread.df)) if spread.df else None
    return Answer(line.metric, margin, line.sign, found, float(left.mean()), float(right.mean()), 1, identity)
