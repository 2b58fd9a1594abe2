"""The grammar of `expect`: what the paper claims of two rows of a table, as a line that can be tested.

    small < none on msrvtt/t2v/R@5               variants, fine-tuned
    mean < full on didemo/zero_shot/order        variants, zero-shot
    subtitles > captions on nmi/msrvtt           language sources, domain gap

`<` and `>` compare the numbers themselves, so the better of two mean ranks (MnR), or mean log2 ranks (log2R), is the
smaller one.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DIRECTIONS = ("t2v", "v2t", "t2v_dsl", "v2t_dsl", "t2v_qb", "v2t_qb", "t2v_any", "v2t_any", "t2v_all", "v2t_all")
ALONE = ("t2v", "v2t", "t2v_any", "v2t_any", "t2v_all", "v2t_all", "order")  # no query helps another: intervals hold
SCORES = ("R@1", "R@5", "R@10", "MdR", "MnR", "log2R")
RANKS = ("MdR", "MnR", "log2R")  # scores of which less is better, not bounded by 100
LINE = re.compile(r"\s*(?P<left>\S.*?)\s+(?P<sign>[<>])\s+(?P<right>\S.*?)\s+on\s+(?P<metric>\S+)\s*")


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


@dataclass(frozen=True)
class Expectation:
    """One parsed line."""

    line: str
    left: str
    sign: Literal["<", ">"]
    right: str
    metric: Metric


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
        raise ValueError(f"{where}: write `<variant> < <variant> on <set>/<metric>`, with < or > between spaces")
    known = {metric.name: metric for metric in metrics(downstream)}
    known |= {f"nmi/{each}": Metric(each, "nmi", "", "nmi") for each in downstream}
    if match["metric"] not in known:
        raise ValueError(f"{where}: unknown metric {_nearest(match['metric'], list(known))}")
    metric = known[match["metric"]]
    kind, names = ("language source", sources) if metric.when == "nmi" else ("variant", variants)
    for name in (match["left"], match["right"]):
        if name not in names:
            raise ValueError(f"{where}: unknown {kind} {_nearest(name, names)}")
    if match["left"] == match["right"]:
        raise ValueError(f"{where}: compares {match['left']!r} with itself")
    return Expectation(line, match["left"], "<" if match["sign"] == "<" else ">", match["right"], metric)


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"{name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}")
