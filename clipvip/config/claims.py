"""The grammar of `expect`: what the paper claims of rows of a table, as a line that can be tested.

    small < none on msrvtt/t2v/R@5                                      variants, fine-tuned
    mean < full on didemo/zero_shot/order                               variants, zero-shot
    captions_small - small > captions_large - large on msrvtt/t2v/R@5   an interaction: a difference of differences
    d > joint on msrvtt/t2v/R@5 margin 1                                with a smallest difference that matters
    subtitles > captions on nmi/msrvtt                                  language sources, domain gap

`<` and `>` compare the numbers themselves, so the better of two mean ranks (MnR), or mean log2 ranks (log2R), is the
smaller one.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

DIRECTIONS = ("t2v", "v2t", "t2v_dsl", "v2t_dsl", "t2v_qb", "v2t_qb", "t2v_any", "v2t_any", "t2v_all", "v2t_all")
ALONE = ("t2v", "v2t", "t2v_any", "v2t_any", "t2v_all", "v2t_all", "order")  # no query helps another: intervals hold
SCORES = ("R@1", "R@5", "R@10", "MdR", "MnR", "log2R")
RANKS = ("MdR", "MnR", "log2R")  # scores of which less is better, not bounded by 100
CO_PRIMARY = "log2R"  # mean log2 of the rank: decided beside every recall that a line names
MARGINS = {"R@1": 2.0, "R@5": 2.0, "R@10": 2.0, "MdR": 1.0, "MnR": 5.0, "log2R": 0.1, "order": 2.0, "nmi": 0.05}
SIDE = r"\S.*?"
LINE = re.compile(
    rf"\s*(?P<left>{SIDE})\s+(?P<sign>[<>])\s+(?P<right>{SIDE})\s+on\s+(?P<metric>\S+)(?:\s+margin\s+(?P<margin>\S+))?\s*"
)
FORM = (
    "`<variant> < <variant> on <set>/<metric>`, with < or > between spaces, `a - b` for a difference, `margin 1` last"
)


@dataclass(frozen=True)
class Metric:
    """One column of a study's table, or the language gap to one set."""

    downstream: str
    when: Literal["fine_tuned", "zero_shot", "nmi"]
    direction: str  # "t2v", ..., "order"; "" for nmi
    score: str  # "R@5", ..., "order", "nmi"

    @property
    def name(self) -> str:
        """As it stands in tables: `msrvtt/t2v/R@5`, `msrvtt/zero_shot/order`, `nmi/msrvtt`."""
        if self.when == "nmi":
            return f"nmi/{self.downstream}"
        middle = "zero_shot/" if self.when == "zero_shot" else ""
        tail = "order" if self.direction == "order" else f"{self.direction}/{self.score}"
        return f"{self.downstream}/{middle}{tail}"

    @property
    def co_primary(self) -> "Metric | None":
        """The same with the co-primary score; None where this is no recall."""
        if not self.score.startswith("R@"):
            return None
        return Metric(self.downstream, self.when, self.direction, CO_PRIMARY)


@dataclass(frozen=True)
class Expectation:
    """One parsed line; `weights` are those of left - right, by variant in the order of the line."""

    line: str
    left: str
    sign: Literal["<", ">"]
    right: str
    metric: Metric
    weights: tuple[tuple[str, float], ...]
    margin: float | None = None  # null: the metric's

    @property
    def sides(self) -> tuple[dict[str, float], dict[str, float]]:
        """Weights of the left and of the right side, each as written."""
        return _side(self.left), _side(self.right)


def margin_of(expectation: Expectation, margins: Mapping[str, float], metric: Metric | None = None) -> float:
    """The smallest difference that matters for a line, or for it on another metric: its own (on its own metric only),
    the experiment's, the usual one."""
    if expectation.margin is not None and metric in (None, expectation.metric):
        return expectation.margin
    return (MARGINS | dict(margins))[(metric or expectation.metric).score]


def check_margins(margins: dict[str, float]) -> dict[str, float]:
    """The margins of an experiment; ValueError for a score that is none, or a margin that is not above 0."""
    for score, margin in margins.items():
        if score not in MARGINS:
            raise ValueError(f"margins: unknown score {_nearest(score, list(MARGINS))}")
        if not 0 < margin < math.inf:
            raise ValueError(f"margins: {score}: {margin:g} must be a number above 0")
    return margins


def metrics(downstream: Iterable[str]) -> list[Metric]:
    """The metrics of a study's table, set by set, fine-tuned before zero-shot."""
    kinds = [(direction, score) for direction in DIRECTIONS for score in SCORES] + [("order", "order")]
    return [
        Metric(each, when, direction, score)
        for each in downstream
        for when in ("fine_tuned", "zero_shot")
        for direction, score in kinds
    ]


def check_expect(
    line: str, variants: list[str], sources: list[str], downstream: list[str], *, study: str = ""
) -> Expectation:
    """The line, parsed; ValueError names the study, the line and, for an unknown name, the nearest right one."""
    where = f"{f'study {study}: ' if study else ''}expect {line!r}"
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"{where}: write {FORM}")
    known = {metric.name: metric for metric in metrics(downstream)}
    known |= {f"nmi/{each}": Metric(each, "nmi", "", "nmi") for each in downstream}
    if match["metric"] not in known:
        raise ValueError(f"{where}: unknown metric {_nearest(match['metric'], list(known))}")
    metric = known[match["metric"]]
    kind, names = ("language source", sources) if metric.when == "nmi" else ("variant", variants)
    left, right = _side(match["left"]), _side(match["right"])
    for name in (*left, *right):
        if name not in names:
            raise ValueError(f"{where}: unknown {kind} {_nearest(name, names)}")
    weights = _difference(left, right)
    if not weights:
        raise ValueError(f"{where}: compares {match['left']!r} with itself")
    if sum(left.values()) != sum(right.values()):
        raise ValueError(f"{where}: both sides must be as many values, such as `a > b` or `a - b > c - d`")
    if metric.when == "nmi" and len(left) + len(right) > 2:
        raise ValueError(f"{where}: of language sources, compare one with one")
    sign: Literal["<", ">"] = "<" if match["sign"] == "<" else ">"
    return Expectation(line, match["left"], sign, match["right"], metric, weights, _margin(match["margin"], where))


def _side(text: str) -> dict[str, float]:
    """`a - b + c` as weights by name; names hold no sign between spaces."""
    words = re.split(r"\s+([+-])\s+", text)
    found: dict[str, float] = {words[0]: 1.0}
    for sign, name in zip(words[1::2], words[2::2], strict=True):
        found[name] = found.get(name, 0.0) + (1.0 if sign == "+" else -1.0)
    return found


def _difference(left: dict[str, float], right: dict[str, float]) -> tuple[tuple[str, float], ...]:
    weights = {name: left.get(name, 0.0) - right.get(name, 0.0) for name in dict.fromkeys([*left, *right])}
    return tuple((name, weight) for name, weight in weights.items() if weight)


def _margin(text: str | None, where: str) -> float | None:
    if text is None:
        return None
    try:
        margin = float(text)
    except ValueError:
        margin = math.nan
    if not 0 < margin < math.inf:
        raise ValueError(f"{where}: margin {text!r} must be a number above 0")
    return margin


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"{name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}")
