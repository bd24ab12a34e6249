"""Statistics of paired run times: pure functions from samples to intervals and decisions.

Owns: how an interval is made and what may be called better. Does not know: where samples come from.

Three things scatter, and each has its unit. From call to call: a *pair* is one call of the candidate and one of the
reference, side by side on identical inputs, so that whatever slows the machine slows both. By the order of calls: the
first of a pair runs on colder caches (5 % were seen), so pairs of either order are taken by turns, A B B A, and weighed
alike. From process to process: two processes of one program differ by 1 to 2 % for as long as they live. So a *round*
is taken in a pair of fresh processes; its value is the mean of the medians of its pairs of either order (of five pairs
two may be disturbed), averaged over the cases.

*For reading*: 95 % intervals over rounds, by Student's t for few and by order statistics for many. Fewer than three
rounds do not show how processes differ, which is then allowed for.

*For deciding*: an interval that may be looked at after every round. A count s of n rounds in the candidate's favour is
refuted as even when its binomial probability is at most (1 - level) / (n + 1): with a fair coin any such count ever
comes up with a probability of at most 1 - level (Ville's inequality for the uniform mixture over biased coins, Robbins
1970). The measurement tosses a coin for who goes first in a round, so that for equal programs the favour of a round is
such a coin whatever the noise of the machine is like. Where the rounds are too few for that, a decision takes agreement
far beyond their scatter (Student's t with 2 degrees of freedom), and a factor beyond `UNMODELLED`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, median, stdev

from evaluator.types import Comparison, Interval, Samples

READING_LEVEL = 0.95
DECISION_LEVEL = 0.995
"""Confidence that a comparison takes by default: of programs compared with themselves at most one in 200 is called,
however often one looks.
"""
ENOUGH_ROUNDS = 5
"""Fewer rounds that happen to agree do not end a measurement."""
PROCESS_SPREAD = 0.03
"""Half-width allowed for differences between processes (1.96 times the 1.5 % measured) where they do not show."""
UNMODELLED = 0.223
"""ln 1.25: what a decision on a few rounds must clear besides their scatter; no noise was seen to do so."""

_T_975 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def _rounds(samples: Samples) -> list[list[float]]:
    """The log ratios of each round's pairs: ln(reference time / candidate time), above 0 the candidate is faster."""
    ratios = [math.log(r / c) for c, r in zip(samples.candidate_us, samples.reference_us, strict=True)]
    found, begin = [], 0
    for count in samples.rounds or (len(ratios),):
        found.append(ratios[begin : begin + count])
        begin += count
    return found


def _value(pairs: Sequence[float]) -> float:
    """The pairs stand by turns in either order."""
    one, other = pairs[::2], pairs[1::2]
    return (median(one) + median(other)) / 2 if other else median(one)


def round_values(per_case: Sequence[Samples]) -> list[float]:
    """The value of each round, averaged over the cases, which all have the same rounds."""
    values = [[_value(pairs) for pairs in _rounds(samples)] for samples in per_case]
    return [fmean(of_one) for of_one in zip(*values, strict=True)]


def _blocks(samples: Samples) -> list[float]:
    """Mean log ratios of pairs two by two, of opposite order; single pairs where a round has no more."""
    return [fmean(pairs[at : at + 2]) for pairs in _rounds(samples) for at in range(0, max(1, len(pairs) - 1), 2)]


def _log_chance(n: int, k: int) -> float:
    """ln of the probability of k heads in n tosses of a fair coin."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)


def _fixed_rank(n: int, level: float) -> int:
    """The largest k for which [k-th smallest, k-th largest] of n covers the median with `level`; 0 if none does."""
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
    """The same for an interval that holds after every count at once; 0 if there is none yet."""
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
    """Median, low and high at 95 % of independent values; for one or two, their range and as much again."""
    if len(values) - 1 in _T_975:
        return _students_t(values, _T_975[len(values) - 1])
    rank = _fixed_rank(len(values), READING_LEVEL)
    if rank:
        return _order_statistics(values, rank)
    width = max(values) - min(values)
    return median(values), min(values) - width, max(values) + width


def _certain(values: Sequence[float], level: float) -> tuple[float, float, float]:
    """Median, low and high of the rounds' values at `level`, for looking at after every round."""
    rank = _sequential_rank(len(values), level)
    if rank:
        return _order_statistics(values, rank)
    if len(values) < 3:
        return median(values), -math.inf, math.inf
    p = (1 + level) / 2
    return _students_t(values, (2 * p - 1) / math.sqrt(2 * p * (1 - p)), UNMODELLED)


def _interval(logs: tuple[float, float, float]) -> Interval:
    # Beyond e^30 either way there is nothing to tell; records hold finite numbers only.
    middle, low, high = (math.exp(min(30.0, max(-30.0, value))) for value in logs)
    return Interval(median=middle, low=low, high=high)


def combined_speedup(per_case: Sequence[Samples]) -> Interval:
    """Geometric mean of the cases' speedups (reference time / candidate time), with its 95 % interval for reading.

    All cases have the same number of rounds.
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
    """Measurements of one case taken one after the other as one: rounds are independent whenever they are taken, so
    that all that is said of rounds holds for those of several measurements together.
    """
    return Samples(
        candidate_us=tuple(time for part in parts for time in part.candidate_us),
        reference_us=tuple(time for part in parts for time in part.reference_us),
        rounds=tuple(count for part in parts for count in part.rounds or (len(part.candidate_us),)),
    )


def speedup(samples: Samples) -> Interval:
    """Reference time / candidate time of one case, with its 95 % interval for reading."""
    return combined_speedup([samples])


def certain_speedup(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Interval:
    """The geometric mean of the speedups with an interval that holds at `level` after every round at once."""
    return _interval(_certain(round_values(per_case), level))


def compare(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Comparison:
    """Whether the candidate is faster than the reference it was paired with: `undecided` unless the interval at
    `level` excludes 1.
    """
    interval = certain_speedup(per_case, level)
    if interval.low > 1:
        return "better"
    return "worse" if interval.high < 1 else "undecided"


def _half_width(interval: Interval) -> float:
    return math.log(interval.high / interval.low) / 2


def narrow_enough(per_case: Sequence[Samples], half_width: float) -> bool:
    """Whether the interval for reading rests on enough rounds and lies within `half_width` (a share) of its median."""
    enough = len(per_case[0].rounds) >= ENOUGH_ROUNDS
    return enough and _half_width(combined_speedup(per_case)) <= half_width


def settled(per_case: Sequence[Samples], level: float, half_width: float) -> bool:
    """Whether a comparison is decided, or most likely about less than `half_width`: the interval for reading, of enough
    rounds, lies as close to 1. (To give up early makes no error more likely.)
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
    return math.exp(fmean(math.log(value) for value in values))
