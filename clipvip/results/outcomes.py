"""The four outcomes of a line of `expect`, and the fifth where single runs allow none.

Two hypotheses of a line are tested on one estimate: that there is no difference (a t-test), and that the difference
is at least the smallest that matters (two one-sided tests, TOST). Holm's correction is over the distinct lines of the
experiment, in either family.
"""

import math
from typing import Literal

from clipvip.results import power
from clipvip.results.variance import Estimate

Outcome = Literal["yes", "no", "no difference that matters", "cannot tell", "one run", "not run"]
YES: Outcome = "yes"
NO: Outcome = "no"
SAME: Outcome = "no difference that matters"
OPEN: Outcome = "cannot tell"
ONE_RUN: Outcome = "one run"
NOT_RUN: Outcome = "not run"  # for want of data
OUTCOMES: tuple[Outcome, ...] = (YES, NO, SAME, OPEN, ONE_RUN, NOT_RUN)
ALPHA = 0.05


def outcome(found: Estimate | None, sign: str, p: float, p_same: float, alpha: float = ALPHA) -> Outcome:
    """What a line comes to: `sign` is what the claim says of the difference, p and p_same are corrected already.

    A difference that lies inside the margin for sure does not matter, even if it is sure to be there.
    """
    if found is None:
        return OPEN
    if found.unknown or math.isnan(p):
        return ONE_RUN
    if p_same < alpha:
        return SAME
    if p < alpha:
        return YES if (found.value < 0) == (sign == "<") else NO
    return OPEN


def decides(found: Estimate | None, came: Outcome, margin: float, present: int, alpha: float) -> str:
    """What would decide an open line: the replicates and queries at which the difference seen, or the margin where
    that is larger, is found with 80 % power at the error rate that the correction for many lines leaves to this one,
    `alpha`. Empty where the line is decided."""
    if came == ONE_RUN:
        return "needs a second replicate, or a noise study"
    if came != OPEN:
        return ""
    if found is None:
        return "needs its missing cells"
    return power.said(power.needs(found, max(margin, abs(found.value)), present=present, alpha=alpha), present)
