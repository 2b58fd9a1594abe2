"""The grammar of expectations, and what its errors say."""

import pytest

from clipvip.config import claims
from clipvip.config.claims import Expectation, Metric

VARIANTS, SOURCES, SETS = ["none", "small", "proxies 4"], ["subtitles", "captions"], ["msrvtt", "didemo"]


def _check(line: str) -> Expectation:
    return claims.check_expect(line, VARIANTS, SOURCES, SETS, study="data_scale")


def test_lines_are_parsed() -> None:
    found = _check("small < none on msrvtt/t2v/R@5")
    assert (found.left, found.sign, found.right) == ("small", "<", "none")
    assert found.metric == Metric("msrvtt", "fine_tuned", "t2v", "R@5")
    assert _check("small > none on didemo/zero_shot/order").metric == Metric("didemo", "zero_shot", "order", "order")
    assert _check("  proxies 4  >  none   on msrvtt/v2t_dsl/MnR ").left == "proxies 4"
    gap = _check("subtitles > captions on nmi/didemo")
    assert gap.metric == Metric("didemo", "nmi", "", "nmi")
    assert gap.metric.name == "nmi/didemo"


def test_names_are_unique_and_read_back() -> None:
    every = claims.metrics(SETS)
    assert len({metric.name for metric in every}) == len(every) == 2 * 2 * (10 * 6 + 1)
    for metric in every:
        assert _check(f"small > none on {metric.name}").metric == metric


def test_an_interaction_and_a_margin() -> None:
    found = _check("small - none > proxies 4 - none on msrvtt/t2v/R@5 margin 1.5")
    assert dict(found.weights) == {"small": 1, "proxies 4": -1}
    assert found.margin == 1.5
    assert found.sides[0] == {"small": 1, "none": -1}
    assert claims.margin_of(found, {"R@5": 3.0}) == 1.5
    assert claims.margin_of(_check("small < none on msrvtt/t2v/R@5"), {"R@5": 3.0}) == 3.0
    assert claims.margin_of(found, {}, found.metric.co_primary) == claims.MARGINS["log2R"]
    with pytest.raises(ValueError, match="unknown score 'R@50'; did you mean 'R@5'"):
        claims.check_margins({"R@50": 1.0})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("smal < none on msrvtt/t2v/R@5", "unknown variant 'smal'; did you mean 'small'?"),
        ("small < nothing_alike on msrvtt/t2v/R@5", "unknown variant 'nothing_alike'; known: none, small, proxies 4"),
        ("small < none on msrvt/t2v/R@5", "unknown metric 'msrvt/t2v/R@5'; did you mean 'msrvtt/t2v/R@5'?"),
        ("small < none on msrvtt/t2v/R@50", "did you mean 'msrvtt/t2v/R@5'?"),
        ("subtitle > captions on nmi/msrvtt", "unknown language source 'subtitle'; did you mean 'subtitles'?"),
        ("small > none on nmi/msrvtt", "unknown language source 'small'"),
        ("small < small on msrvtt/t2v/R@5", "compares 'small' with itself"),
        ("small <= none on msrvtt/t2v/R@5", "write `<variant> < <variant> on <set>/<metric>`"),
        ("small - none > none on msrvtt/t2v/R@5", "both sides must be as many values"),
        ("small < none on msrvtt/t2v/R@5 margin -1", "margin '-1' must be a number above 0"),
        ("small < none", "write `"),
        ("", "write `"),
    ],
)
def test_errors_name_study_line_and_the_nearest_name(line: str, said: str) -> None:
    with pytest.raises(ValueError, match="study data_scale: expect ") as caught:
        _check(line)
    assert repr(line) in str(caught.value)
    assert said in str(caught.value)
