"""What a study found: each method on each task over the seeds, and against the first method. Pure.

Owns: means with their intervals, pairs by seed, and when a difference is sure. Does not know: archives, how it is
shown.

Qualities are averaged as they are, speed-ups as logarithms, so that the mean of 2x and 8x is 4x. The hypervolume of a
front counts from a corner that the methods share, by task and seed: just below the seed programs. The interval of a
mean is that of Student's t over the seeds, 95 %. Two methods are compared by their differences with the same seed,
which share loads and the machine's hour; a difference is sure if its interval excludes none. The level is that of one
comparison: of twenty between equal methods, one is expected to look sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluator import Interval, mean_interval
from harness.readings.contrast import BELOW, SLOWER
from harness.readings.hypervolume import Figures, ReferencePoint, hypervolume


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A cell whose search has ended: its best program by the objective, its front, and what the search cost.

    `front` and `start` are qualities and speed-ups, of the front's programs and of the seed program. `fingerprint` is
    that of the conditions of its measurements: speeds of unlike ones are not compared.
    """

    method: str
    task: str
    seed: int
    quality: float
    speedup: float
    front: tuple[Figures, ...]
    start: Figures
    attempts: int
    usd: float
    tokens: int
    used_s: float
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean over seeds with its 95 % interval, which a single value does not have."""

    count: int
    value: float
    interval: Interval | None

    def beyond(self, nothing: float) -> int:
        """1 if the whole interval is above `nothing`, -1 if below; else 0."""
        if self.interval is None:
            return 0
        return int(self.interval.low > nothing) - int(self.interval.high < nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """One figure of a method against the first method's, paired by seed: the mean change, and who had more how often.

    `change` is a difference of quality, or a ratio of speeds. `sure` is 1 for surely better, -1 for surely worse, 0 for
    no sure difference.
    """

    change: Mean
    wins: int
    losses: int
    sure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A method on a task: `ended` of `planned` seeds. Figures are None without any; changes also for the first method,
    and where no pair compares. `attempts` are the fewest and the most that a search made: one whose proposer has
    nothing left ends early. `apart` pairs were not measured under like conditions.
    """

    task: str
    method: str
    ended: int
    planned: int
    attempts: tuple[int, int]
    quality: Mean | None
    speedup: Mean | None
    volume: Mean | None
    usd: float
    tokens: int
    quality_change: Versus | None
    speed_change: Versus | None
    volume_change: Versus | None
    apart: int


def mean(values: Sequence[float]) -> Mean:
    """The mean of values. Raises ValueError without any."""
    if not values:
        raise ValueError("expected at least one value")
    return Mean(count=len(values), value=fmean(values), interval=mean_interval(values) if len(values) > 1 else None)


def geometric(values: Sequence[float]) -> Mean:
    """The geometric mean of values above 0."""
    logs = mean([math.log(value) for value in values])
    ends = logs.interval
    if ends is not None:
        low, middle, high = (_power(end) for end in (ends.low, ends.median, ends.high))
        ends = Interval(median=middle, low=low, high=high)
    return Mean(count=logs.count, value=_power(logs.value), interval=ends)


def _power(log: float) -> float:
    return math.exp(min(700.0, log))


def rows(
    outcomes: Iterable[Outcome], *, methods: Sequence[str], tasks: Sequence[str], seeds: Sequence[int]
) -> tuple[Row, ...]:
    """A row for each task and method, in their order."""
    held = {(outcome.task, outcome.method, outcome.seed): outcome for outcome in outcomes}
    found: list[Row] = []
    for task in tasks:
        made = {method: [held.get((task, method, seed)) for seed in seeds] for method in methods}
        corners = [_corner(of_seed) for of_seed in zip(*made.values(), strict=True)]
        measured = {method: list(map(_measured, made[method], corners)) for method in methods}
        first = measured[methods[0]]
        found += [_row(task, method, measured[method], first if method != methods[0] else []) for method in methods]
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """An outcome with its hypervolume."""

    outcome: Outcome
    volume: float


_OfSeeds = Sequence[_Measured | None]


def _corner(outcomes: Sequence[Outcome | None]) -> ReferencePoint | None:
    """Where the hypervolume of these counts from; None without any."""
    starts = [outcome.start for outcome in outcomes if outcome is not None]
    if not starts:
        return None
    lowest, slowest = min(quality.median for quality, _ in starts), min(speed.median for _, speed in starts)
    return ReferencePoint(quality=lowest - BELOW, speedup=slowest / SLOWER)


def _measured(outcome: Outcome | None, corner: ReferencePoint | None) -> _Measured | None:
    if outcome is None or corner is None:
        return None
    return _Measured(outcome=outcome, volume=hypervolume(outcome.front, corner).median)


def _row(task: str, method: str, own: _OfSeeds, first: _OfSeeds) -> Row:
    ended = [one for one in own if one is not None]
    pairs = [(mine, theirs) for mine, theirs in zip(own, first, strict=False) if mine and theirs]
    alike = [(mine, theirs) for mine, theirs in pairs if mine.outcome.fingerprint == theirs.outcome.fingerprint]
    both = [(mine.outcome, theirs.outcome) for mine, theirs in alike]
    return Row(
        task=task,
        method=method,
        ended=len(ended),
        planned=len(own),
        attempts=(min(made), max(made)) if (made := [one.outcome.attempts for one in ended]) else (0, 0),
        quality=mean([one.outcome.quality for one in ended]) if ended else None,
        speedup=geometric([one.outcome.speedup for one in ended]) if ended else None,
        volume=mean([one.volume for one in ended]) if ended else None,
        usd=sum(one.outcome.usd for one in ended),
        tokens=sum(one.outcome.tokens for one in ended),
        quality_change=_versus([mine.quality - theirs.quality for mine, theirs in both], mean, 0.0),
        speed_change=_versus([mine.speedup / theirs.speedup for mine, theirs in both], geometric, 1.0),
        volume_change=_versus([mine.volume - theirs.volume for mine, theirs in alike], mean, 0.0),
        apart=len(pairs) - len(alike),
    )


def _versus(changes: Sequence[float], middle: Callable[[Sequence[float]], Mean], nothing: float) -> Versus | None:
    if not changes:
        return None
    change = middle(changes)
    return Versus(
        change=change,
        wins=sum(value > nothing for value in changes),
        losses=sum(value < nothing for value in changes),
        sure=change.beyond(nothing),
    )
