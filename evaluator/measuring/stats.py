"""Statistics of paired run times: pure functions from samples to intervals and decisions.

Owns: how an interval is computed and when a program may be called better. Does not know: where samples come from.

There are three sources of scatter, and each has its unit. From call to call: a *pair* is one call of the candidate and
one of the reference, back to back on identical inputs, so that a disturbance of the machine slows both. From the order
of calls: the first call of a pair runs on colder caches (we saw 5 %), so pairs alternate in order, A B B A, and both
orders have equal weight. From process to process: two processes of one program differ by 1 to 2 % throughout their
lives. So a *round* is taken in a pair of fresh processes; its value is the mean of two medians, one over the pairs of
each order (two of five pairs may be disturbed), averaged over the cases.

*For reading*: 95 % intervals over rounds, from Student's t for few rounds and from order statistics (the sign test) for
many. Fewer than three rounds do not show how much processes differ, so we add `PROCESS_SPREAD` instead.

*For deciding*: an interval that remains valid however often it is inspected (a confidence sequence). We reject a fair
coin when a count of s out of n rounds in the candidate's favour has a binomial probability of at most
(1 - level) / (n + 1): under a fair coin, such a count ever occurs with a probability of at most 1 - level (Ville's
inequality for the uniform mixture over biased coins, Robbins 1970). The measurement draws at random which program goes
first in a round, so for equal programs a round favours each with probability 1/2, whatever the machine's noise. With
too few rounds for this test, a decision needs agreement far beyond the rounds' scatter (Student's t with 2 degrees of
freedom) and a factor beyond `UNMODELLED`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, median, stdev

from evaluator.types import Comparison, Interval, Samples

READING_LEVEL = 0.95
DECISION_LEVEL = 0.995
"""Default confidence of a comparison: of programs compared with themselves, at most one in 200 is called better or
worse, however often the interval is inspected.
"""
ENOUGH_ROUNDS = 5
"""A measurement needs at least this many rounds to end early: fewer may agree by chance."""
PROCESS_SPREAD = 0.03
"""Half-width (a log ratio) for differences between processes when rounds are too few to show them: 1.96 times the
measured 1.5 %.
"""
UNMODELLED = 0.223
"""ln 1.25: margin that a decision on a few rounds must clear besides their scatter; we never saw noise exceed it."""

# Student's t quantiles at 97.5 %, by degrees of freedom.
_T_975 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def _rounds(samples: Samples) -> list[list[float]]:
    """The log ratios of each round's pairs: ln(reference time / candidate time); above 0 the candidate is faster."""
    ratios = [math.log(r / c) for c, r in zip(samples.candidate_us, samples.reference_us, strict=True)]
    rounds, begin = [], 0
    for count in samples.rounds or (len(ratios),):
        rounds.append(ratios[begin : begin + count])
        begin += count
    return rounds


def _value(pairs: Sequence[float]) -> float:
    """The value of one round, whose pairs alternate in order: the mean of the medians of both orders."""
    even, odd = pairs[::2], pairs[1::2]
    return (median(even) + median(odd)) / 2 if odd else median(even)


def round_values(per_case: Sequence[Samples]) -> list[float]:
    """The value of each round (a log ratio), averaged over the cases. Raises ValueError if their numbers of rounds
    differ.
    """
    values = [[_value(pairs) for pairs in _rounds(samples)] for samples in per_case]
    return [fmean(per_round) for per_round in zip(*values, strict=True)]


def _blocks(samples: Samples) -> list[float]:
    """Mean log ratios of two successive pairs, of opposite order; of a single pair if a round has only one."""
    return [fmean(pairs[at : at + 2]) for pairs in _rounds(samples) for at in range(0, max(1, len(pairs) - 1), 2)]


def _log_chance(n: int, k: int) -> float:
    """ln of the binomial probability of k heads in n tosses of a fair coin."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)


def _fixed_rank(n: int, level: float) -> int:
    """The largest k for which [k-th smallest, k-th largest] of n values covers the median at `level`; 0 if none does.

    These are the order statistics of the sign test; beyond 500 values we use the normal approximation to the binomial.
    """
    if n > 500:
        z = NormalDist().inv_cdf((1 + level) / 2)
        return max(1, math.floor((n - z * math.sqrt(n)) / 2))
    tail, k = 0.0, 0
    while k < n // 2:
        tail += math.exp(_log_chance(n, k))
        if 1 - 2 * tail < level:
            break
        k += 1
    return k


def _sequential_rank(n: int, level: float) -> int:
    """Like `_fixed_rank`, for an interval that holds after every number of values at once; 0 if n is too small.

    The threshold comes from Ville's inequality (see the module's text; Robbins 1970).
    """
    refuted = math.log(1 - level) - math.log(n + 1)
    k = 0
    while k < n // 2 and _log_chance(n, k) <= refuted:
        k += 1
    return k


def _order_statistics(values: Sequence[float], rank: int) -> tuple[float, float, float]:
    ordered = sorted(values)
    return median(ordered), ordered[rank - 1], ordered[len(ordered) - rank]


def _students_t(values: Sequence[float], quantile: float, margin: float = 0.0) -> tuple[float, float, float]:
    half = quantile * stdev(values) / math.sqrt(len(values)) + margin
    centre, middle = fmean(values), median(values)
    return middle, min(centre - half, middle), max(centre + half, middle)


def _reading(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, low and high at 95 % of independent values; for one or two values, their range widened by its own width
    on both sides.
    """
    if len(values) - 1 in _T_975:
        return _students_t(values, _T_975[len(values) - 1])
    rank = _fixed_rank(len(values), READING_LEVEL)
    if rank:
        return _order_statistics(values, rank)
    width = max(values) - min(values)
    return median(values), min(values) - width, max(values) + width


def _certain(values: Sequence[float], level: float) -> tuple[float, float, float]:
    """Median, low and high of the rounds' values at `level`, valid after every round at once."""
    rank = _sequential_rank(len(values), level)
    if rank:
        return _order_statistics(values, rank)
    if len(values) < 3:
        return median(values), -math.inf, math.inf
    p = (1 + level) / 2
    # The closed form of the quantile of Student's t with 2 degrees of freedom.
    return _students_t(values, (2 * p - 1) / math.sqrt(2 * p * (1 - p)), UNMODELLED)


def _interval(logs: tuple[float, float, float]) -> Interval:
    # Records hold finite numbers only, and a ratio beyond e^30 tells no more than e^30.
    middle, low, high = (math.exp(min(30.0, max(-30.0, value))) for value in logs)
    return Interval(median=middle, low=low, high=high)


def combined_speedup(per_case: Sequence[Samples]) -> Interval:
    """Geometric mean of the cases' speedups (reference time / candidate time), with its 95 % interval for reading.

    Raises ValueError if the cases' numbers of rounds differ.
    """
    values = round_values(per_case)
    if len(values) >= 3:
        return _interval(_reading(values))
    parts = [_reading(_blocks(samples)) for samples in per_case]
    centre = fmean(middle for middle, _, _ in parts)
    below = math.hypot(PROCESS_SPREAD, *((middle - low) / len(parts) for middle, low, _ in parts))
    above = math.hypot(PROCESS_SPREAD, *((high - middle) / len(parts) for middle, _, high in parts))
    return _interval((centre, centre - below, centre + above))


def joined(parts: Sequence[Samples]) -> Samples:
    """Several measurements of one case as one: rounds are independent whenever they are taken, so the rounds of several
    measurements may be pooled.
    """
    return Samples(
        candidate_us=tuple(time for part in parts for time in part.candidate_us),
        reference_us=tuple(time for part in parts for time in part.reference_us),
        rounds=tuple(count for part in parts for count in part.rounds or (len(part.candidate_us),)),
    )


def speedup(samples: Samples) -> Interval:
    """Speedup of one case (reference time / candidate time), with its 95 % interval for reading."""
    return combined_speedup([samples])


def certain_speedup(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Interval:
    """The geometric mean of the speedups, with an interval that holds at `level` after every round at once."""
    return _interval(_certain(round_values(per_case), level))


def compare(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Comparison:
    """Whether the candidate is faster than its reference: `undecided` unless the interval at `level` excludes 1."""
    interval = certain_speedup(per_case, level)
    if interval.low > 1:
        return "better"
    return "worse" if interval.high < 1 else "undecided"


def _half_width(interval: Interval) -> float:
    return math.log(interval.high / interval.low) / 2


def narrow_enough(per_case: Sequence[Samples], half_width: float) -> bool:
    """Whether there are enough rounds and the interval for reading has at most this half-width (a log ratio)."""
    enough = len(per_case[0].rounds) >= ENOUGH_ROUNDS
    return enough and _half_width(combined_speedup(per_case)) <= half_width


def settled(per_case: Sequence[Samples], level: float, half_width: float) -> bool:
    """Whether a comparison is decided, or the difference is most likely below `half_width` (a log ratio): there are
    enough rounds, and the interval for reading lies that close to 1. Stopping early makes no error more likely.
    """
    if compare(per_case, level) != "undecided":
        return True
    reading = combined_speedup(per_case)
    close = max(math.log(reading.high), -math.log(reading.low)) <= half_width
    return close and len(per_case[0].rounds) >= ENOUGH_ROUNDS


def runtime_ms(times_us: Sequence[int]) -> float:
    """Median of call times, in milliseconds."""
    return median(times_us) / 1000


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of positive values. Raises ValueError for others, and for no values."""
    return math.exp(fmean(math.log(value) for value in values))
