"""Statistics of paired calls: pure functions from samples to intervals and decisions, for run time and for quality.

Owns: how an interval is computed and when a program may be called better. Does not know: where samples come from.

There are three sources of scatter, and each has its unit. From call to call: a *pair* is one call of the candidate and
one of the reference, back to back on identical inputs, so that a disturbance of the machine slows both, and easy loads
help both. From the order of calls: a program that runs right after itself finds warm caches (we saw 5 %), so a *block*
of four pairs has the order AB BA BA AB, in which that happens once to each. From process to process: two processes of
one program differ by up to 1 % throughout their lives. So a *round* is taken in a pair of fresh processes.

A case's speed is the ratio of the sums of all its calls' times, its gain the mean difference of all its calls'
qualities: every call counts once, for time as for quality. A program that is careful in some calls or processes, and
fast in others, gets the time that it paid. No mean of ratios does that: by their logarithms, a program that is 100
times as slow in one process of ten would seem 1.6 times as slow. Nor does a mean over rounds, if a program can end a
round when its calls had luck.

*For reading*: 95 % intervals from Student's t. The rounds are the sample, since calls of a round share their
processes; each enters by its share of the sums (the linearised ratio estimator, Cochran 1977, ch. 6). Fewer than
three rounds do not show how much processes differ, so we add `PROCESS_SPREAD` instead.

*For deciding*: an interval that remains valid however often it is inspected (a confidence sequence). We reject a fair
coin when s out of n rounds in the candidate's favour are 1 / (1 - level) times as likely under a mixture of biased
coins: under a fair coin, such a count ever occurs with a probability of at most 1 - level (Ville's inequality for
mixtures, Robbins 1970). The mixture is Beta(1/2, 1/2) (Krichevsky and Trofimov 1981): a faster program wins nearly all
rounds, and this notices one or two rounds sooner than the uniform mixture. The measurement draws at random which
program goes first in a round, so for equal programs a round favours each with probability 1/2, whatever the machine's
noise. This test needs twelve rounds and more. Student's t decides sooner, if the rounds agree far beyond their
scatter: its error is divided among all looks, and for speed the difference must exceed `UNMODELLED` as well. The first
test is about the median of rounds, which forgets what a program does in a few of them, so the interval for deciding
also contains that for reading: a decision needs both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from statistics import fmean, median, stdev, variance

from evaluator.measuring.student import joint_degrees, t_quantile
from evaluator.types import FARTHEST, Comparison, Interval, Samples

DECISION_LEVEL = 0.995
"""Default confidence of a comparison: of programs compared with themselves, at most one in 200 is called better or
worse, however often the interval is inspected.
"""
BLOCK = 4
"""Pairs in whose order, AB BA BA AB, each program is as often first, and as often runs right after itself."""
FOLLOWING, FOLLOWING_US = 0.06, 2000
"""By how much a call may be faster that follows one of its program: we saw 5 % of 3 ms and 1.5 % of 36 ms."""
ENOUGH_ROUNDS = 5
"""A measurement needs at least this many rounds to end early: fewer may agree by chance."""
ENOUGH_CALLS = 12
"""A standard deviation from fewer values may be far too small by chance."""
PROCESS_SPREAD = 0.03
"""Half-width (a log ratio) for differences between processes when rounds are too few to show them: 1.96 times the
measured 1.5 %.
"""
PROCESS_NOISE = 0.006
"""The same for the mean of several processes, times the root of their number: twice the .3 % by which those of three
programs differed beyond their calls. In 7 of 1,062 sequences of equal programs, intervals with this did not hold 1.
"""
DRAW_CORRELATION = 0.4
"""How alike the gains of calls on one draw of loads are. Measured: .24 and .36 for a program with another packing than
its reference, in two cases of 100 draws; without it, intervals of 3 to 16 such calls covered .76 to .93, with it .89 to
.99.
"""
READING_LEVEL = 0.95
"""The level of all intervals for reading."""
UNMODELLED = 0.0198
"""ln 1.02: what a decision on speed by Student's t must clear besides the scatter of rounds. Of 1,500 sequences of 20
rounds, resampled from those of each of three programs against itself, and of one beside a busy neighbour, none was
decided at the level of duels; without it, up to 1.1 % were.
"""


def _rounds(samples: Samples) -> Iterator[slice]:
    """Which pairs belong to each round."""
    begin = 0
    for count in samples.rounds or (len(samples.candidate_us),):
        yield slice(begin, begin + count)
        begin += count


def _log_ratio(samples: Samples, pairs: slice) -> float:
    """ln(reference time / candidate time) over some pairs; above 0 the candidate is faster."""
    return math.log(sum(samples.reference_us[pairs]) / sum(samples.candidate_us[pairs]))


def _gains(samples: Samples) -> list[float]:
    """The candidate's quality less the reference's, of each pair."""
    return [c - r for c, r in zip(samples.candidate_quality, samples.reference_quality, strict=True)]


def _over_cases(per_case: Sequence[Sequence[float]]) -> list[float]:
    """The mean over the cases in each round. Raises ValueError if their numbers of rounds differ."""
    return [fmean(per_round) for per_round in zip(*per_case, strict=True)]


def round_values(per_case: Sequence[Samples]) -> list[float]:
    """The speed of each round (a log ratio), averaged over the cases. Raises ValueError if their numbers of rounds
    differ.
    """
    return _over_cases([[_log_ratio(samples, pairs) for pairs in _rounds(samples)] for samples in per_case])


def round_gains(per_case: Sequence[Samples]) -> list[float]:
    """The gain in quality of each round, averaged over the cases. Raises ValueError if their numbers of rounds differ,
    or without qualities.
    """
    return _over_cases([[fmean(_gains(samples)[pairs]) for pairs in _rounds(samples)] for samples in per_case])


def _totals(samples: Samples) -> list[float]:
    """The log ratio of the sums of all times, as one value per round: their mean is it, their scatter its error."""
    spent, other = (
        [sum(times[pairs]) for pairs in _rounds(samples)] for times in (samples.candidate_us, samples.reference_us)
    )
    centre, rounds = math.log(sum(other) / sum(spent)), len(spent)
    return [centre + rounds * (r / sum(other) - c / sum(spent)) for c, r in zip(spent, other, strict=True)]


def _halves(samples: Samples) -> Iterator[slice]:
    """Which pairs go together since the effects of their order cancel: of each block the first and third, and the
    second and fourth. Pairs of no whole block stand alone.
    """
    for pairs in _rounds(samples):
        rest = pairs.stop - (pairs.stop - pairs.start) % BLOCK
        for begin in range(pairs.start, rest, BLOCK):
            yield from (slice(at, begin + BLOCK, 2) for at in (begin, begin + 1))
        yield from (slice(at, at + 1) for at in range(rest, pairs.stop))


def _lean(per_case: Sequence[Samples]) -> float:
    """How much the order favours the second program, in all cases alike: in AB BA, half a block, it follows itself."""

    def lean(samples: Samples) -> float:
        uneven = sum(count % BLOCK in (2, 3) for count in samples.rounds) / len(samples.candidate_us)
        call_us = min(fmean(samples.candidate_us), fmean(samples.reference_us))
        return uneven * min(FOLLOWING, FOLLOWING_US / call_us)

    return fmean(map(lean, per_case))


def _shares(samples: Samples) -> list[float]:
    """By how much each half of a block moves the log ratio of the sums of all times, by linearisation."""
    spent, other = (sum(times) / len(times) for times in (samples.candidate_us, samples.reference_us))
    moves = [r / other - c / spent for c, r in zip(samples.candidate_us, samples.reference_us, strict=True)]
    return [fmean(moves[half]) for half in _halves(samples)]


def _mean_gains(samples: Samples) -> list[float]:
    """The mean gain of all pairs, as one value per round: their mean is it, their scatter its error."""
    gains = _gains(samples)
    centre, counts = fmean(gains), [len(gains[pairs]) for pairs in _rounds(samples)]
    share = len(counts) / len(gains)
    return [centre + share * sum(gain - centre for gain in gains[pairs]) for pairs in _rounds(samples)]


def _widening(samples: Samples) -> float:
    """By what the interval of a gain grows because rounds share draws of loads, and so are alike: 1 if none does, else
    the root of the design effect (Kish 1965) of pairs on one draw.
    """
    ends = set(accumulate(samples.rounds or (len(samples.candidate_us),)))
    if ends <= set(accumulate(samples.draws)) | {len(samples.candidate_us)} or not samples.draws:
        return 1.0
    alike = sum(count * count for count in samples.draws) / sum(samples.draws)
    return math.sqrt(1 + (alike - 1) * DRAW_CORRELATION)


def _log_evidence(n: int, k: int) -> float:
    """ln of how often as likely n tosses with k heads are under the mixture of biased coins as under a fair one."""
    mixed = math.lgamma(k + 0.5) + math.lgamma(n - k + 0.5) - math.lgamma(n + 1) - math.log(math.pi)
    return mixed + n * math.log(2)


def _sequential_rank(n: int, level: float) -> int:
    """The largest k for which [k-th smallest, k-th largest] of n values covers the median at `level`, for every n at
    once; 0 if n is too small.

    The threshold comes from Ville's inequality (see the module's text; Robbins 1970).
    """
    refuted = -math.log(1 - level)
    k = 0
    while k < n // 2 and _log_evidence(n, k) >= refuted:
        k += 1
    return k


def _order_statistics(values: Sequence[float], rank: int) -> tuple[float, float, float]:
    ordered = sorted(values)
    return median(ordered), ordered[rank - 1], ordered[len(ordered) - rank]


def _students_t(values: Sequence[float], quantile: float, margin: float = 0.0) -> tuple[float, float, float]:
    half, centre = quantile * stdev(values) / math.sqrt(len(values)) + margin, fmean(values)
    return centre, centre - half, centre + half


def _reading(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, low and high at 95 % of independent values; for one or two values, their range widened by its own width
    on both sides.
    """
    if len(values) > 2:
        return _students_t(values, t_quantile(len(values) - 1, 0.025))
    width = max(values) - min(values)
    return fmean(values), min(values) - width, max(values) + width


def _certain(values: Sequence[float], level: float, margin: float) -> tuple[float, float, float]:
    """Middle, low and high of the rounds' values at `level`, valid after every round at once: what both the order
    statistics and Student's t, widened by `margin` on both sides, leave. Each may err half as often.
    """
    count, half = len(values), (1 + level) / 2
    middle, low, high = fmean(values), -FARTHEST, FARTHEST
    if count > 2 and len(set(values)) == count:  # equal values are too coarse to show their scatter
        # The errors of all looks, (1 - half) / ((n - 2) (n - 1)) at the n-th, sum to 1 - half.
        tail = (1 - half) / ((count - 2) * (count - 1)) / 2
        middle, low, high = _students_t(values, t_quantile(count - 1, tail), margin)
    if rank := _sequential_rank(count, half):
        _, above, below = _order_statistics(values, rank)
        low, high = (max(low, above), min(high, below)) if max(low, above) <= min(high, below) else (above, below)
    return min(max(middle, low), high), low, high


def _ratios(logs: tuple[float, float, float]) -> Interval:
    middle, low, high = (math.exp(min(FARTHEST, max(-FARTHEST, value))) for value in logs)
    return Interval(median=middle, low=low, high=high)


def _differences(values: tuple[float, float, float]) -> Interval:
    middle, low, high = values
    return Interval(median=middle, low=low, high=high)


def _of_few_rounds(
    values: Sequence[float], per_case: Sequence[Sequence[float]], spread: float
) -> tuple[float, float, float]:
    """The mean of one or two rounds' values; its interval from the scatter within each case's rounds, and `spread`."""
    centre, parts = fmean(values), [_reading(part) for part in per_case]
    below = math.hypot(spread, *((middle - low) / len(parts) for middle, low, _ in parts))
    above = math.hypot(spread, *((high - middle) / len(parts) for middle, _, high in parts))
    return centre, centre - below, centre + above


def combined_speedup(per_case: Sequence[Samples]) -> Interval:
    """Geometric mean of the cases' speedups (reference time / candidate time), with its 95 % interval for reading.

    Raises ValueError if the cases' numbers of rounds differ.
    """
    values = _over_cases([_totals(samples) for samples in per_case])
    if len(values) >= 3:
        return _ratios(_reading(values))
    halves = [[_log_ratio(samples, half) for half in _halves(samples)] for samples in per_case]
    return _ratios(_of_few_rounds(values, halves, PROCESS_SPREAD))


def combined_gain(per_case: Sequence[Samples]) -> Interval | None:
    """The mean over the cases of the candidate's quality less the reference's, with its 95 % interval for reading; None
    if some samples, of an earlier version, have no qualities.

    Raises ValueError if the cases' numbers of rounds differ.
    """
    if not all(samples.candidate_quality for samples in per_case):
        return None
    values = _over_cases([_mean_gains(samples) for samples in per_case])
    if len(values) >= 3:
        middle, low, high = _reading(values)
    else:
        middle, low, high = _of_few_rounds(values, [_gains(samples) for samples in per_case], 0.0)
    wider = max(_widening(samples) for samples in per_case)
    return _differences((middle, middle - (middle - low) * wider, middle + (high - middle) * wider))


def joined(parts: Sequence[Samples]) -> Samples:
    """Several measurements of one case as one: rounds are independent whenever they are taken, so the rounds of several
    measurements may be pooled. Qualities remain if all have them, the numbers of the calls mean nothing.
    """
    judged = parts if all(part.candidate_quality for part in parts) else ()
    return Samples(
        candidate_us=tuple(time for part in parts for time in part.candidate_us),
        reference_us=tuple(time for part in parts for time in part.reference_us),
        rounds=tuple(count for part in parts for count in part.rounds or (len(part.candidate_us),)),
        candidate_quality=tuple(value for part in judged for value in part.candidate_quality),
        reference_quality=tuple(value for part in judged for value in part.reference_quality),
        calls=tuple(call for part in judged for call in part.calls),
        draws=tuple(count for part in parts for count in part.draws) if all(part.draws for part in parts) else (),
    )


def certain_speedup(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Interval:
    """The geometric mean of the speedups, with an interval that holds at `level` after every round at once."""
    certain = _certain(round_values(per_case), level, UNMODELLED + _lean(per_case))
    return _including(combined_speedup(per_case), _ratios(certain))


def certain_gain(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Interval:
    """The mean gain in quality, with an interval that holds at `level` after every round at once. Raises ValueError
    without qualities.
    """
    values = round_gains(per_case)
    reading = combined_gain(per_case)
    assert reading is not None
    return _including(reading, _differences(_certain(values, level, 0.0)))


def at_all_times(per_case: Sequence[Samples], level: float = READING_LEVEL) -> tuple[Interval, Interval]:
    """Intervals of the speedup and of the gain that hold at `level` at all times of a measurement at once, from its
    first pairs on: an asymptotic confidence sequence (the normal mixture of Robbins 1970 with an estimated variance:
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024). So they are also right for a measurement that ended because
    of what it had shown. Raises ValueError without qualities.

    For speed, the variance is that of half blocks, or that of the rounds where it is larger and there are three. The
    first rounds cannot show by how much processes differ in speed, which `PROCESS_NOISE` covers. For quality, it is
    that of the rounds within each case: pairs of one round share a draw of loads, so one round alone tells nothing.
    Where rounds share draws, since calls are slow, the interval is wider.
    """
    rounds, pairs = len(per_case[0].rounds or (1,)), min(len(samples.candidate_us) for samples in per_case)
    speed = fmean(_log_ratio(samples, slice(None)) for samples in per_case)
    half = _radius([_shares(samples) for samples in per_case], pairs, level, round_values(per_case))
    half += (PROCESS_NOISE + _lean(per_case)) / math.sqrt(rounds)
    gain = fmean(fmean(_gains(samples)) for samples in per_case)
    gain_half = _radius([_mean_gains(samples) for samples in per_case], pairs, level)
    gain_half *= max(_widening(samples) for samples in per_case)
    return _ratios((speed, speed - half, speed + half)), _differences((gain, gain - gain_half, gain + gain_half))


def _radius(per_case: Sequence[Sequence[float]], pairs: int, level: float, per_round: Sequence[float] = ()) -> float:
    """The half-width at `pairs` pairs a case of the mean over the cases of independent values, at all times at once."""
    degrees = sum(len(values) - 1 for values in per_case)
    if degrees < (3 if per_round else 1):  # two times may be equal by chance, the means of two rounds hardly
        return FARTHEST
    squares = [variance(values) / len(values) for values in per_case]
    error = math.sqrt(sum(squares)) / len(per_case)
    if len(per_round) > 2:
        error = max(error, stdev(per_round) / math.sqrt(len(per_round)))
    # Narrowest at about 8 pairs (Waudby-Smith et al. 2024, appendix B.2), where most programs are decided.
    chance = 1 - level
    rho = (2 * math.log(1 / chance) + math.log(1 + 2 * math.log(1 / chance))) / 8
    spread = 2 * (1 + 1 / (pairs * rho)) * math.log(math.sqrt(pairs * rho + 1) / chance)
    if per_round:
        degrees = joint_degrees(squares, [len(values) - 1 for values in per_case])
    return error * math.sqrt(spread) * t_quantile(degrees, 0.025) / 1.96  # for an error from few values


def _including(reading: Interval, certain: Interval) -> Interval:
    """The mean of all calls, with the interval for deciding widened to contain that for reading."""
    return Interval(median=reading.median, low=min(reading.low, certain.low), high=max(reading.high, certain.high))


def compare(per_case: Sequence[Samples], level: float = DECISION_LEVEL) -> Comparison:
    """Whether the candidate is faster than its reference: `undecided` unless the interval at `level` excludes 1."""
    interval = certain_speedup(per_case, level)
    if interval.low > 1:
        return "better"
    return "worse" if interval.high < 1 else "undecided"


def _half_width(interval: Interval) -> float:
    return math.log(interval.high / interval.low) / 2


def narrow_enough(per_case: Sequence[Samples], half_width: float, resolution: float) -> bool:
    """Whether there are enough rounds, and the intervals for reading have at most these half-widths: of the speedup (a
    log ratio), and of the gain.
    """
    if len(per_case[0].rounds) < ENOUGH_ROUNDS or _half_width(combined_speedup(per_case)) > half_width:
        return False
    gain = combined_gain(per_case)
    return gain is None or (gain.high - gain.low) / 2 <= resolution


def settled(per_case: Sequence[Samples], level: float, half_width: float, resolution: float) -> bool:
    """Whether a comparison is decided in speed and in quality; each is, too, if the difference is most likely below
    `half_width` (a log ratio) or `resolution`: there are enough rounds, and the interval for reading lies that close
    to none. Stopping early makes no error more likely.
    """
    enough = len(per_case[0].rounds) >= ENOUGH_ROUNDS
    if compare(per_case, level) == "undecided":
        reading = combined_speedup(per_case)
        if not enough or max(math.log(reading.high), -math.log(reading.low)) > half_width:
            return False
    certain, gain = certain_gain(per_case, level), combined_gain(per_case)
    assert gain is not None
    return certain.low > 0 or certain.high < 0 or (enough and max(gain.high, -gain.low) <= resolution)


def for_few(count: int) -> float:
    """By what a standard deviation of `count` values is multiplied, so that it is not too small by chance."""
    return max(1.0, ENOUGH_CALLS / count)


def runtime_ms(times_us: Sequence[int]) -> float:
    """The time of a call, in milliseconds: the mean of all."""
    return fmean(times_us) / 1000


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of positive values. Raises ValueError for others, and for no values."""
    return math.exp(fmean(math.log(value) for value in values))
