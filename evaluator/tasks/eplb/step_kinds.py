"""Decode and prefill steps in a recording, told apart by the load of a step.

Owns: the threshold between the two, and when there are two at all. Does not know: files, windows, plans. Pure.

A prefill step routes thousands of tokens of prompts, a decode step one token of each request, so the logarithms of the
loads of steps lie in two heaps. Recorders do not say which is which.

Shapes: T steps.
"""

from __future__ import annotations

import math

import numpy as np

from evaluator.tasks.eplb.steps import FEW_PASSES, Floats

STEP_KINDS = ("decode", "prefill")
LEAST_SEPARATION = 4.0
"""Ashman's D of the two heaps. Cut in two by the rule below, a uniform distribution of ln load has 3.5, a normal 2.7,
an exponential distribution of loads 2.3: one heap stays below."""
LEAST_RATIO = 4.0
"""How many times the load of a decode step a prefill step has, in the geometric mean."""


def prefill_threshold(totals_T: Floats) -> float | None:
    """The load from which a step is a prefill step; None if the steps are of one kind, or too few (at most 16).

    The cut of ln load is Otsu's (1979): it maximises the variance between the two heaps. There are two kinds if
    Ashman's D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2) (Ashman, Bird and Zepf 1994; 2 tells two known heaps apart, a cut
    needs more) is at least 4, and the means differ by a factor of 4. Steps without load are left out.
    """
    ordered = np.sort(totals_T[totals_T > 0])
    count = len(ordered)
    if count <= FEW_PASSES:
        return None
    ln = np.log(ordered)
    lower = np.arange(1, count)
    sums = np.cumsum(ln)
    below, above = sums[:-1] / lower, (sums[-1] - sums[:-1]) / (count - lower)
    cut = int((lower * (count - lower) * (above - below) ** 2).argmax()) + 1
    first, second = ln[:cut], ln[cut:]
    apart = float(second.mean() - first.mean())
    scatter = math.sqrt(float(first.var() + second.var()))
    if apart < math.log(LEAST_RATIO) or math.sqrt(2) * apart < LEAST_SEPARATION * scatter:
        return None
    return float(ordered[cut])
