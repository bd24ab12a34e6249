"""Statistics of paired run times: pure functions from samples to intervals and decisions.

Owns: how an interval is made and what may be called better. Does not know: where samples come from.

A pair is one call of the candidate and one of the reference, side by side on identical inputs, so that whatever slows
the machine slows both: the median of per-pair ratios holds where medians of separate runs do not. Intervals are
distribution-free (order statistics of the log ratios, the interval that inverts the sign test); with fewer than six
pairs, where order statistics reach no 95 %, Student's t on the logs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, median, stdev

from evaluator.types import Comparison, Interval, Samples

DECISION_LEVEL = 0.999
"""Confidence that a comparison takes: with 95 % and 20 pairs one A/A run in twenty would be called."""

_T_975 = {2: 4.303, 3: 3.182, 4: 2.776}
_T_9995 = {2: 31.60, 3: 12.92, 4: 8.61}
_SMALL = {0.95: _T_975, 0.999: _T_9995}


def log_ratios(samples: Samples) -> list[float]:
    """ln(reference time / candidate time) of each pair: above 0 the candidate is faster."""
    return [math.log(r / c) for c, r in zip(samples.candidate_us, samples.reference_us, strict=True)]


def _rank(n: int, level: float) -> int | None:
    """The largest k for which [k-th smallest, k-th largest] of n covers the median with at least `level`; None if
    none does.
    """
    tail, term, best = 0.0, 0.5**n, None
    for k in range(1, n // 2 + 1):
        tail += term
        if 1 - 2 * tail < level:
            return best
        best = k
        term *= (n - k + 1) / k
    return best


def _normal_rank(n: int, level: float) -> int:
    z = NormalDist().inv_cdf((1 + level) / 2)
    return max(1, math.floor((n - z * math.sqrt(n)) / 2))


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Median, low and high of the median's interval at `level`.

    Order statistics where they reach the level, else Student's t for 3 to 5 values; where neither can, the sample's
    range widened by its own width.
    """
    ordered, n = sorted(values), len(values)
    middle = median(ordered)
    rank = _normal_rank(n, level) if n > 500 else _rank(n, level)
    if rank is not None:
        return middle, ordered[rank - 1], ordered[n - rank]
    if n - 1 in _SMALL.get(level, {}):
        half = _SMALL[level][n - 1] * stdev(ordered) / math.sqrt(n)
        centre = fmean(ordered)
        return middle, min(centre - half, ordered[0]), max(centre + half, ordered[-1])
    width = ordered[-1] - ordered[0]
    return middle, ordered[0] - width, ordered[-1] + width


def speedup(samples: Samples, level: float = 0.95) -> Interval:
    """Reference time / candidate time of one case, with its interval."""
    middle, low, high = median_interval(log_ratios(samples), level)
    return Interval(median=math.exp(middle), low=math.exp(low), high=math.exp(high))


def combined_speedup(per_case: Sequence[Samples], level: float = 0.95) -> Interval:
    """Geometric mean of the cases' speedups. Half-widths add in squares, since cases are measured apart."""
    parts = [median_interval(log_ratios(samples), level) for samples in per_case]
    centre = fmean(middle for middle, _, _ in parts)
    below = math.sqrt(sum((middle - low) ** 2 for middle, low, _ in parts)) / len(parts)
    above = math.sqrt(sum((high - middle) ** 2 for middle, _, high in parts)) / len(parts)
    return Interval(median=math.exp(centre), low=math.exp(centre - below), high=math.exp(centre + above))


def _decidable(values: Sequence[float], level: float) -> bool:
    """Whether the spread can be judged: a few equal ratios show how coarse the clock is, not how sure the figure is."""
    return _rank(len(values), level) is not None or (len(values) >= 3 and min(values) < max(values))


def compare(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Comparison:
    """Whether the candidate is faster than the reference it was paired with: `undecided` unless the interval at
    `level` excludes 1.
    """
    if not all(_decidable(log_ratios(samples), level) for samples in per_case):
        return "undecided"
    interval = combined_speedup(per_case, level)
    if interval.low > 1:
        return "better"
    return "worse" if interval.high < 1 else "undecided"


def narrow_enough(samples: Samples, half_width: float) -> bool:
    """Whether the 95 % interval lies within `half_width` (a share) of its median, by order statistics."""
    ratios = log_ratios(samples)
    if _rank(len(ratios), 0.95) is None:
        return False
    _, low, high = median_interval(ratios)
    return (high - low) / 2 <= half_width


def runtime_ms(times_us: Sequence[int]) -> float:
    """Median of call times, in milliseconds."""
    return median(times_us) / 1000


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(fmean(math.log(value) for value in values))
