"""Student's t: its quantiles, and the interval of a mean. Pure.

Owns: the distribution, without a library for it, and the degrees of freedom of a sum. Does not know: what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import fmean, stdev

from evaluator.types import Interval


@cache
def t_quantile(degrees: int, tail: float) -> float:
    """The value that Student's t exceeds with probability `tail`, by bisection of its distribution (Abramowitz and
    Stegun 26.7.3 and 26.7.4).
    """

    def beyond(t: float) -> float:
        angle = math.atan2(t, math.sqrt(degrees))
        cosine, first = math.cos(angle), degrees % 2
        term = total = cosine if first else 1.0
        for k in range(first + 2, degrees - 1, 2):
            term *= cosine**2 * (k - 1) / k
            total += term
        within = math.sin(angle) * total if degrees > 1 else 0.0
        within = 2 / math.pi * (angle + within) if first else within
        return (1 - within) / 2

    low, high = 0.0, 1.0
    while beyond(high) > tail:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > tail else (low, middle)
    return high


def joint_degrees(squares: Sequence[float], degrees: Sequence[int]) -> int:
    """The degrees of freedom of the sum of squared standard errors with these degrees each, rounded down. Where one
    makes nearly all of the sum, hardly more than its own (Satterthwaite 1946).
    """
    if not any(squares):
        return sum(degrees)
    parts = (square**2 / own for square, own in zip(squares, degrees, strict=True))
    return max(1, int(sum(squares) ** 2 / sum(parts)))


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of independent values of one distribution, with its 95 % interval. Raises ValueError for fewer than two.

    The formula is mean +- t(n - 1, 0.975) * s / sqrt(n), which is exact if the values are normally distributed.
    """
    if len(values) < 2:
        raise ValueError(f"expected at least two values, found {len(values)}")
    centre, half = fmean(values), t_quantile(len(values) - 1, 0.025) * stdev(values) / math.sqrt(len(values))
    return Interval(median=centre, low=centre - half, high=centre + half)
